/* Overlays of any number of layers, wherever those lie.
 *
 * An overlay's options hold paths between ',' and ':' and have room for one page. So each part is bound to a
 * short name first: any bytes in a path will do, and hundreds of layers fit. */
#pragma once

#include "launchfile/launchfile.h"

/* The parts by their short names; a layer that several apps have is there once. */
struct stage {
        int fd, here;  /* the stage and the pod directory */
        int userns_fd; /* what the parts are mapped with, or -1 */
        const char **parts;
        size_t n_parts;
};

/* In this mount namespace only; the current directory is the pod's, here and afterwards. All die naming what
 * cannot be. */
void open_stage(struct stage *stage, int userns_fd);

void make_overlay(struct stage *stage, const struct mount_spec *spec);

/* The overlays keep what they are made of: nothing needs the names any more. */
void close_stage(struct stage *stage);
