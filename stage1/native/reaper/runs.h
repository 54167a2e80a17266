/* What is recorded of an app's runs. Each is a word of the command line; the first word is the app. */
#pragma once

#include "reaper.h"

/* An app's ExecStopPost=. */
int verb_run(struct reaper *reaper, char **words);

/* Started by its OnFailure=. */
int verb_final(struct reaper *reaper, char **words);

/* An init app's ExecStartPost=. */
int verb_done(struct reaper *reaper, char **words);
