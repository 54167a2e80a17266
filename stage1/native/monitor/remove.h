/* A pod that is to leave nothing behind. */
#pragma once

/* Unlinks the links, moves the pod (the current directory) into garbage/ beside its state directory, and
 * deletes it there: who lists pods meanwhile sees it whole or not at all. */
void remove_pod(char **links);
