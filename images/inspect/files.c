/* Words about files and the environment. */
#include "inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

static const char *type_name(mode_t mode) {
        switch (mode & S_IFMT) {
        case S_IFDIR:
                return "directory";
        case S_IFLNK:
                return "symlink";
        case S_IFCHR:
                return "char";
        case S_IFBLK:
                return "block";
        case S_IFIFO:
                return "fifo";
        case S_IFSOCK:
                return "socket";
        default:
                return "file";
        }
}

static int put_entry(int directory, const char *name) {
        struct stat entry;

        if (fstatat(directory, name, &entry, AT_SYMLINK_NOFOLLOW) < 0)
                return -1;
        printf("{\"type\": \"%s\", \"mode\": \"%04o\", \"uid\": %u, \"gid\": %u, \"size\": %lld",
               type_name(entry.st_mode), entry.st_mode & 07777, entry.st_uid, entry.st_gid,
               (long long) entry.st_size);
        if (S_ISCHR(entry.st_mode) || S_ISBLK(entry.st_mode))
                printf(", \"device\": \"%u:%u\"", major(entry.st_rdev), minor(entry.st_rdev));
        if (S_ISLNK(entry.st_mode)) {
                char target[4096];
                ssize_t length = readlinkat(directory, name, target, sizeof target);

                fputs(", \"target\": ", stdout);
                json_text(target, length > 0 ? (size_t) length : 0);
        }
        fputs(", \"name\": ", stdout);
        json_string(name);
        putchar('}');
        return 0;
}

static int list(char **arguments, int count) {
        struct dirent **entries;
        int found = scandir(arguments[0], &entries, NULL, alphasort);
        AUTO_CLOSE int directory = open(arguments[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *separator = "[";

        (void) count;
        if (found < 0 || directory < 0)
                return complain("ls", arguments[0]);
        for (int i = 0; i < found; i++) {
                const char *name = entries[i]->d_name;

                if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
                        fputs(separator, stdout);
                        if (put_entry(directory, name) < 0)
                                fputs("null", stdout);
                        separator = ",\n ";
                }
                free(entries[i]);
        }
        free(entries);
        puts(*separator == '[' ? "[]" : "]");
        return 0;
}

static int stat_file(char **arguments, int count) {
        (void) count;
        if (put_entry(AT_FDCWD, arguments[0]) < 0)
                return complain("stat", arguments[0]);
        putchar('\n');
        return 0;
}

static int cat(char **arguments, int count) {
        size_t length;
        AUTO_FREE char *text = read_file(arguments[0], &length);

        (void) count;
        if (!text)
                return complain("cat", arguments[0]);
        fwrite(text, 1, length, stdout);
        return 0;
}

static int put_into(const char *word, char **arguments, int flags) {
        AUTO_CLOSE int fd = open(arguments[0], O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | flags, 0666);
        size_t length = strlen(arguments[1]);

        if (fd < 0 || write(fd, arguments[1], length) != (ssize_t) length)
                return complain(word, arguments[0]);
        return 0;
}

static int write_file(char **arguments, int count) {
        (void) count;
        return put_into("write", arguments, O_TRUNC);
}

static int append_file(char **arguments, int count) {
        (void) count;
        return put_into("append", arguments, O_APPEND);
}

static int make_directory(char **arguments, int count) {
        (void) count;
        return mkdir(arguments[0], 0777) < 0 ? complain("mkdir", arguments[0]) : 0;
}

static int remove_path(char **arguments, int count) {
        (void) count;
        return remove(arguments[0]) < 0 ? complain("rm", arguments[0]) : 0;
}

static int change_directory(char **arguments, int count) {
        (void) count;
        return chdir(arguments[0]) < 0 ? complain("cd", arguments[0]) : 0;
}

static int change_owner(char **arguments, int count) {
        uid_t uid = (uid_t) parse_number(arguments[1]);
        gid_t gid = (gid_t) parse_number(arguments[2]);

        (void) count;
        return lchown(arguments[0], uid, gid) < 0 ? complain("chown", arguments[0]) : 0;
}

static int print_variable(char **arguments, int count) {
        const char *value = getenv(arguments[0]);

        (void) count;
        if (!value) {
                errno = ENOENT;
                return complain("env", arguments[0]);
        }
        puts(value);
        return 0;
}

/* Polls: a watch would need a directory that exists and may be read, and tests wait for less than that. */
static int wait_file(char **arguments, int count) {
        const struct timespec pause = {.tv_nsec = 10000000};

        (void) count;
        fflush(stdout);
        while (access(arguments[0], F_OK) < 0)
                nanosleep(&pause, NULL);
        return 0;
}

const Word file_words[] = {
        {"cat", 1, 0, cat, "FILE"},
        {"write", 2, 0, write_file, "FILE TEXT"},
        {"append", 2, 0, append_file, "FILE TEXT"},
        {"ls", 1, 0, list, "DIRECTORY as JSON"},
        {"stat", 1, 0, stat_file, "FILE as JSON"},
        {"mkdir", 1, 0, make_directory, "DIRECTORY"},
        {"rm", 1, 0, remove_path, "FILE or empty directory"},
        {"cd", 1, 0, change_directory, "DIRECTORY"},
        {"chown", 3, 0, change_owner, "FILE UID GID"},
        {"env", 1, 0, print_variable, "NAME the value of a variable"},
        {"wait-file", 1, 0, wait_file, "FILE until it exists"},
        {NULL, 0, 0, NULL, NULL},
};
