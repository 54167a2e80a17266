/* A program that joins a pod must not be a file the pod could write to: /proc/PID/exe leads to it. */
#pragma once

/* Returns if this program runs from a file nobody can write to; else executes itself from such a one. */
void run_sealed(char **argv);
