/* What systemd-nspawn says of the pod, on its way to the records and to our own service manager. */
#pragma once

#include "monitor.h"

/* Binds run/notify and watches it. */
void watch_notices(struct monitor *monitor);

/* The pod has asked to be started again. */
bool wants_reboot(void);
