#include <stdio.h>

int main(int argc, char **argv) {
        return printf("hello from %s\n", argc > 1 ? argv[1] : "a pod") < 0;
}
