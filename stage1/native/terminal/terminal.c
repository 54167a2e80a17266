#include "terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "basic/util.h"

static struct termios saved;
static bool is_raw;

void terminal_open(struct terminal *terminal) {
        terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (terminal->master < 0 || unlockpt(terminal->master) < 0)
                die_errno("cannot make a terminal");
        /* By descriptor, not by name: the name may mean another thing where /dev/pts is mounted twice. */
        terminal->slave = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (terminal->slave < 0)
                die_errno("cannot open the terminal's other side");
        terminal_copy_size(terminal);
}

void terminal_copy_size(const struct terminal *terminal) {
        struct winsize size = {.ws_row = 24, .ws_col = 80};

        (void) ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
        (void) ioctl(terminal->master, TIOCSWINSZ, &size);
}

void terminal_restore(void) {
        if (is_raw)
                (void) tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
        is_raw = false;
}

void terminal_make_raw(void) {
        struct termios raw;

        if (tcgetattr(STDIN_FILENO, &saved) < 0)
                die_errno("cannot ask the terminal for its settings");
        raw = saved;
        cfmakeraw(&raw);
        if (atexit(terminal_restore) != 0 || tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
                die_errno("cannot put the terminal into raw mode");
        is_raw = true;
}
