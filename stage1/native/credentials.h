/* Secrets of apps, on their way from the host to systemd-nspawn. */
#pragma once

#include <stddef.h>

enum credential_kind { CREDENTIAL_FILE, CREDENTIAL_ENCRYPTED, CREDENTIAL_UNIT };

struct credential_spec {
        const char *id; /* APP.NAME, the file's name for systemd-nspawn */
        enum credential_kind kind;
        const char *source; /* a path, or what $CREDENTIALS_DIRECTORY calls it */
};

/* Puts them into run/credentials, which is memory that is never swapped and that only this mount namespace
 * sees: it is gone when systemd-nspawn is. Dies naming the credential, never saying a byte of it. */
void make_credentials(const struct credential_spec *specs, size_t count);
