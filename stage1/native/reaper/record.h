/* One app's result, in the words of the contract, and the files it stands in. */
#pragma once

#include <stdbool.h>

#include "basic/times.h"

#define NAME_MAX_SIZE 129

struct record {
        char app[NAME_MAX_SIZE];
        bool final;
        const char *reason; /* a word of the contract */
        int code;           /* -1: none */
        char signal[16];    /* "": none */
        bool core;
        int status;
        bool stopping;
        char result[32];
        unsigned long runs;                                      /* 0: there is no record */
        char started_at[TIME_TEXT_MAX], ended_at[TIME_TEXT_MAX]; /* "": null */
};

/* Below the status directory. Loading leaves runs at 0 where there is no record. */
void record_load(struct record *record, int status_fd, const char *app);
void record_store(const struct record *record, int status_fd);
void record_append(const struct record *record, int status_fd);
