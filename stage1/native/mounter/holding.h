/* The files of a pod that has ended, for whoever wants to look at them. */
#pragma once

/* Makes the pod's mounts in a namespace of our own, those volumes at their places in the app's root (pairs,
 * NULL at the end), goes to that root, becomes a member of the pod's user namespace, says `ready`, and stays
 * until its standard input ends. The current directory is the pod's. */
int hold(const char *app, char **volumes);
