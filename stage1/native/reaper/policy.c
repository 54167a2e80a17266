#include "policy.h"

#include <string.h>

#include "basic/util.h"

static int word_index(const char *word, const char *const *words, size_t count) {
        for (size_t i = 0; word && i < count; i++)
                if (strcmp(word, words[i]) == 0)
                        return (int) i;
        return -1;
}

static void take_policy(struct policy *policy, const char *word) {
        static const char *const kinds[] = {"any-failure", "all", "first", "never"};
        int kind = word_index(word, kinds, ARRAY_LEN(kinds));

        if (word && strncmp(word, "app:", 4) == 0) {
                policy->kind = POLICY_APP;
                policy->decider = word + 4;
        } else if (kind >= 0)
                policy->kind = (enum policy_kind) kind;
        else
                die("policy: '%s' is not known", word ? word : "");
}

static void take_app(struct policy *policy, char *rest) {
        static const char *const restarts[] = {"no", "on-failure", "always"};
        static const char *const roles[] = {"main", "init", "sidecar"};
        const char *name = strsep(&rest, " ");
        int restart = word_index(strsep(&rest, " "), restarts, ARRAY_LEN(restarts));
        int role = word_index(strsep(&rest, " "), roles, ARRAY_LEN(roles));
        bool activated = false, joining = false, known = true;

        for (char *word; (word = strsep(&rest, " "));) {
                bool *flag = strcmp(word, "activated") == 0 ? &activated
                             : strcmp(word, "joining") == 0 ? &joining
                                                            : NULL;
                known = known && flag;
                if (flag)
                        *flag = true;
        }
        if (!name || !*name || strlen(name) >= NAME_MAX_SIZE || strchr(name, '/') || restart < 0 ||
            role < 0 || !known)
                die("policy: the line of app '%s' is wrong", name ? name : "");
        policy->apps = xrealloc(policy->apps, (policy->n_apps + 1) * sizeof(*policy->apps));
        policy->apps[policy->n_apps++] = (struct policy_app){.name = name,
                                                             .restart = (enum restart_kind) restart,
                                                             .init = role == 1,
                                                             .sidecar = role == 2,
                                                             .activated = activated,
                                                             .joining = joining};
}

void policy_parse(struct policy *policy, char *text) {
        *policy = (struct policy){};
        for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
                char *word = strsep(&line, " ");
                if (strcmp(word, "policy") == 0)
                        take_policy(policy, line);
                else if (strcmp(word, "app") == 0)
                        take_app(policy, line);
                else if (*word)
                        die("policy: '%s' is not known", word);
        }
        if (policy->kind == POLICY_APP && !policy_find(policy, policy->decider))
                die("policy: there is no app '%s'", policy->decider);
}

const struct policy_app *policy_find(const struct policy *policy, const char *name) {
        for (size_t i = 0; i < policy->n_apps; i++)
                if (strcmp(policy->apps[i].name, name) == 0)
                        return &policy->apps[i];
        return NULL;
}

/* An app that ended because the pod was being stopped says nothing about the pod. */
static bool is_over(const struct record *record) {
        return record->final && !record->stopping;
}

/* Does this one record end the pod, whatever the others do? */
static bool ends_alone(const struct policy *policy, const struct policy_app *app,
                       const struct record *record) {
        if (!is_over(record) || policy->kind == POLICY_NEVER || app->joining)
                return false;
        if (app->init && record->status != 0)
                return true;
        switch (policy->kind) {
        case POLICY_ANY_FAILURE:
                return record->status != 0;
        case POLICY_FIRST:
                return !app->init && !app->sidecar;
        case POLICY_APP:
                return strcmp(app->name, policy->decider) == 0;
        case POLICY_ALL:
        case POLICY_NEVER:
                break;
        }
        return false;
}

/* Of the same status the one that has just ended. */
static const struct record *worst(const struct policy *policy, const struct record *records,
                                  const struct policy_app *app, const struct record *own) {
        const struct record *found = app->sidecar ? NULL : own;

        for (size_t i = 0; i < policy->n_apps; i++)
                if (!policy->apps[i].sidecar && (!found || records[i].status > found->status))
                        found = &records[i];
        return found;
}

const struct record *policy_decide(const struct policy *policy, const struct record *records,
                                   const struct record *own) {
        const struct policy_app *app = policy_find(policy, own->app);
        bool all_over = true;

        if (!app || !is_over(own) || policy->kind == POLICY_NEVER || app->joining)
                return NULL;
        if (ends_alone(policy, app, own))
                return own;
        /* Another app's reaper may have been cut short: its record still counts. */
        for (size_t i = 0; i < policy->n_apps; i++) {
                if (ends_alone(policy, &policy->apps[i], &records[i]))
                        return &records[i];
                all_over = all_over &&
                           (policy->apps[i].sidecar || (is_over(&records[i]) && !policy->apps[i].joining));
        }
        if (!all_over || (policy->kind != POLICY_ALL && policy->kind != POLICY_ANY_FAILURE))
                return NULL;
        return worst(policy, records, app, own);
}
