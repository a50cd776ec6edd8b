/* Telling a service manager how a program is, as systemd's sd_notify(3) describes: a datagram of NAME=VALUE lines to the socket in NOTIFY_SOCKET. */
#ifndef IO_NOTIFY_H
#define IO_NOTIFY_H

#include <stdint.h>

struct notify;

/* Takes NOTIFY_SOCKET and the watchdog's variables out of the environment: they are this process's alone. NULL where nobody is to be told, or
 * where the socket is none that there could be, which is logged. */
struct notify *notify_open(void);
/* How often WATCHDOG=1 has to be said at least, in ms; 0: never. */
int64_t notify_watchdog_ms(const struct notify *notify);
/* Never waits: a manager that does not read is told nothing. -1: it was not taken, and may be said again. */
int notify_say(struct notify *notify, const char *lines);
void notify_close(struct notify *notify); /* NULL is harmless */

#endif
