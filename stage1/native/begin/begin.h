/* Where the pod's PID 1, before it is systemd, and the process that sets up its network find each other. */
#pragma once

#define BEGIN_ON_HOST "run/status/begin"
#define BEGIN_IN_POD  "/pod/status/begin"
