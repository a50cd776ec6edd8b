/* Base64 (RFC 4648, 4). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <sys/types.h>

#include "base/buf.h"

#define BASE64_DECODED_MOST(n) ((n) / 4 * 3 + 3)

/* With padding, without line breaks. */
void base64_encode(struct buf *out, struct slice bytes);
/* Into out, which has room for BASE64_DECODED_MOST(text.n) bytes; padding may be missing. Returns how many bytes, or -1
 * where the text is no base64. */
ssize_t base64_decode(char *out, struct slice text);

#endif
