/* A tree of the host on its way into a pod: cloned, finished while nobody sees it, then attached. */
#pragma once

#include <stdbool.h>

struct graft {
        const char *source;
        bool read_only, recursive;
        int users; /* the pod's user namespace, or -1 */
};

/* The detached tree; -1 where the kernel has no such calls or a filter refuses them. */
int take_graft(const struct graft *graft);

/* `name` is for messages. We are in the pod's mount namespace. */
void attach_graft(int tree, int target, const char *name);

/* A detached tree with all below it, as a user namespace gets it that must not undo how it is mounted; takes
 * the descriptor. */
int lock_tree(int tree, int users, const char *name);
