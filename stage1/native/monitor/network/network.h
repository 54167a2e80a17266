/* The pod's network: a namespace that it joins, or interfaces in one of its own. */
#pragma once

#include "launchfile/launchfile.h"

/* In the child that becomes the supervisor: joins the network namespace that the records name, if they name
 * one. Dies naming what failed. */
void enter_network(const struct launch *launch);

/* Sets up what the records say in a new namespace, with host as a netlink socket of the host's. The calling
 * process is in that namespace afterwards. Dies naming what failed. */
void make_network(const struct launch *launch, int host, int namespace);
