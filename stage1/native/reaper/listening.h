/* What apps say of themselves by sd_notify(3): the pod's PID 1 keeps it, and tells on its private bus. */
#pragma once

/* Writes each app's latest STATUS= to APP.message in the status directory, for as long as PID 1 talks. Says
 * READY=1 when nothing can be missed any more. */
void listen_to_apps(int status_fd);
