/* Waiting until an app of the pod is as far as another one wants it to be. */
#pragma once

#include <stdbool.h>

/* Waits for the app's good end; false when it ended in another way and will not be tried again. */
bool await_finished(int status_fd, const char *app);

/* Waits until the app's program has been executed, however long it takes to be ready after that; false when
 * it has ended for good without ever having been. */
bool await_started(int status_fd, const char *app);
