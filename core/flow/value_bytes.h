/* Bytes, and numbers that are written as bytes, in the text forms that messages have for them. */
#ifndef FLOW_VALUE_BYTES_H
#define FLOW_VALUE_BYTES_H

#include "flow/value.h"

/* The bytes of a base64 text (RFC 4648, padding optional), in the arena. -1 where it is none. */
int value_bytes_base64(struct slice text, bool url, struct slice *bytes, struct arena *arena, struct error *err);
/* TEXT by MEANING_BASE64, _BASE64_URL, _HEX, _LATIN1 or _GO_QUOTED: becomes BYTES, padded with zeros to
 * reading.length. BYTES are only padded. */
int value_bytes_text(struct value *v, struct reading reading, struct arena *arena, struct error *err);
/* TEXT by MEANING_BASE64_TEXT: becomes the TEXT. -1 where that is no UTF-8. */
int value_bytes_of_text(struct value *v, struct arena *arena, struct error *err);
/* The bytes of a bit string, the first the most significant, become a NUMBER. */
int value_bytes_number(struct value *v, struct arena *arena, struct error *err);
/* A little-endian bit string, as BYTES or as base64 of them (TEXT), becomes a NUMBER. */
int value_bytes_bits(struct value *v, struct arena *arena, struct error *err);
/* A two's complement integer over 10^scale, as BYTES or as base64 of them (TEXT), becomes a NUMBER. */
int value_bytes_decimal(struct value *v, int16_t scale, struct arena *arena, struct error *err);
/* {"wkb":base64,"srid":n}, already cut out: the bytes of a geometry as MySQL keeps it. */
int value_bytes_geometry(struct value *v, struct slice wkb, uint32_t srid, struct arena *arena, struct error *err);

#endif
