/* Mapped mounts: the files of a tree keep their owners on disk and appear to a pod's user namespace as its
 * own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Ids 0, 1, … of a pod are base, base + 1, … of the host; count 0: the pod has the host's ids. */
struct id_range {
        uint32_t base, count;
};

/* A user namespace with this map in which nobody lives, as mount_setattr(2) takes it; dies if it cannot be.
 */
int open_user_namespace(const struct id_range *range);

/* A map of single ids: `DISK-INSIDE-COUNT`, joined by '#', where INSIDE are ids of the pod; as the kernel
 * reads it. NULL if the text is no such map. */
char *make_map(const char *text, const struct id_range *ids);

/* A user namespace with such a map. */
int open_mapped_namespace(const char *text, const struct id_range *ids);

/* Maps a detached tree; dies naming path and its file system where that one has no mapped mounts. */
void map_tree(int tree, const char *path, bool recursive, int userns_fd);

/* From here on this process makes files as the pod's root would. An overlay whose upper layer is mapped can
 * only be mounted so: the kernel makes files in it as whoever mounted it, and the host's root has no id
 * there. */
void act_as_pod_root(const struct id_range *range);
void act_as_host_root(void);
