#include "base/utf8.h"

#include <stdint.h>

size_t utf8_sequence(const char *p, size_t n)
{
	const unsigned char *s = (const unsigned char *)p;
	size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Table 3-7 of the Unicode standard: the second byte is narrower after these. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

bool utf8_valid(struct slice text)
{
	for (size_t i = 0; i < text.n;) {
		uint64_t eight;
		size_t length;

		if (text.n - i >= sizeof eight) {
			memcpy(&eight, text.p + i, sizeof eight);
			if (!(eight & 0x8080808080808080u)) {
				i += sizeof eight;
				continue;
			}
		}
		length = utf8_sequence(text.p + i, text.n - i);
		if (length == 0)
			return false;
		i += length;
	}
	return true;
}
