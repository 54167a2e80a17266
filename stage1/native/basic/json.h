/* Text for files of JSON. */
#pragma once

/* Text as the inside of a JSON string; bytes that are no ASCII stay as they are when they are valid UTF-8.
 */
char *json_quote(const char *text);
