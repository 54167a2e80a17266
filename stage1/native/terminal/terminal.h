/* A terminal of its own for the app that wants one, and the user's terminal around it. */
#pragma once

struct terminal {
        int master, slave;
};

void terminal_open(struct terminal *terminal);

/* Puts the user's terminal (fd 0) into raw mode until the monitor ends in whatever way it can notice. */
void terminal_make_raw(void);
void terminal_restore(void);

/* Gives the pod's terminal the size of the user's. */
void terminal_copy_size(const struct terminal *terminal);
