/* Secrets of apps, on their way from the host to the pod's systemd, which gives each to its app alone. */
#pragma once

#include <stddef.h>

#include "launchfile/launchfile.h"

/* Puts them into rootfs/pod/credentials/APP/NAME, readable for root of the pod: memory that is never swapped
 * and that only this mount namespace sees. Those of an app follow each other. Dies naming the credential,
 * never saying a byte of it. */
void make_credentials(const struct credential_spec *specs, size_t count, const struct id_range *ids);
