/* The root of an app that comes to a running pod, with all its mounts, and its end. */
#pragma once

/* Makes the mounts that standard input says (records as of run/launch) where nobody sees them, and attaches
 * what belongs to the app to its places in the pod, whole. The current directory is the pod's. */
int install_app(const char *app);

/* Takes all of them away, busy ones too: who uses them keeps them until it ends. Fine if there is nothing.
 * `kept`, with NULL at its end: parts that stay, of apps, mounts, nodes, credentials. */
int uninstall_app(const char *app, char **kept);
