/* Secrets of apps, on their way from the host to the pod's systemd, which gives each to its app alone. */
#pragma once

#include <stddef.h>

#include "basic/idmap.h"

enum credential_kind { CREDENTIAL_FILE, CREDENTIAL_ENCRYPTED, CREDENTIAL_UNIT };

struct credential_spec {
        const char *id; /* APP.NAME */
        enum credential_kind kind;
        const char *source; /* a path, or what $CREDENTIALS_DIRECTORY calls it */
};

/* Puts them into rootfs/pod/credentials/APP/NAME, readable for root of the pod: memory that is never swapped
 * and that only this mount namespace sees. Those of an app follow each other. Dies naming the credential,
 * never saying a byte of it. */
void make_credentials(const struct credential_spec *specs, size_t count, const struct id_range *ids);
