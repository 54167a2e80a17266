/* For images without a shell: the host's programs around the app's root, seen by the entered process only.
 */
#pragma once

/* Makes a root of the host's tools with the app's root at /app, in a mount namespace of our own, and enters
 * it. */
void make_tool_root(int tools, int app_root);
