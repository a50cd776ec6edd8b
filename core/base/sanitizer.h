/* Whether this build looks for uses of memory that was given back (AddressSanitizer): then malloc is its own, and nothing may be kept from it. */
#ifndef BASE_SANITIZER_H
#define BASE_SANITIZER_H

/* gcc says so by a macro, clang by a question. */
#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif

#ifndef ADDRESS_SANITIZER
#define ADDRESS_SANITIZER 0
#endif

#endif
