/* Mounts that lead from an app back to the host (`share` records).
 *
 * Such a mount has to be a peer of the host's, and systemd-nspawn and the app's unit both make slaves of
 * what they inherit. So it is made last: the launcher, already in the app's mount namespace and root, asks
 * at a socket that only its app has and waits; a child of the monitor clones the host's mount, joins the
 * launcher's namespace and mounts it there. The next start of the app asks again. */
#pragma once

#include "launchfile/launchfile.h"

/* Listens for each app with shared mounts, or ends the program: a source has to lie on a shared mount. */
void sharing_open(const struct launch *launch);
