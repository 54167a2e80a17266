/* Questions about the world inside the pod. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum execution { NOT_EXECUTED, EXECUTED, MAYBE_EXECUTED };

/* Asks the pod's PID 1 whether the app's program was executed in its latest run. */
enum execution ask_execution(const char *app);

/* Are the user and all groups of the app's unit in the pod's own passwd and group? */
bool ask_identity(const char *app);

/* What PID 1 knows of the app's latest run: its invocation, to be freed, and when it was started; or NULL.
 */
char *ask_run(const char *app, struct timespec *started);

/* The app's main process as the pod numbers it, or 0. */
pid_t ask_main_process(const char *app);

enum program_kind { PROGRAM_MISSING, PROGRAM_NO_FILE, PROGRAM_EXECUTABLE };

/* What there is at this path, as the app sees it. */
enum program_kind look_at_program(const char *app_root, const char *program);

enum readiness { PORT_LISTENS, PORT_SILENT, APP_GONE };

/* Waits until something listens on the port, at most so long, and only while the app's main process lives
 * (0: not known). systemd waits for an ExecStartPost= even when there is nothing left to become ready. */
enum readiness wait_for_port(uint16_t port, unsigned seconds, pid_t main_pid);
