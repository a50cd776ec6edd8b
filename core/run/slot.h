/* A number that no other process on this machine has for the same group: a worker that takes a dead one's place gets the same, and
 * with it (as Kafka's group.instance.id) the same partitions at once, without waiting for the session to time out. */
#ifndef RUN_SLOT_H
#define RUN_SLOT_H

/* Takes the lowest free slot of `name`, writes "<name>-<host>-<slot>" to out (256 bytes), and returns a descriptor that holds it
 * until it is closed or the process ends. -1: no lock file can be made; out is "" then. */
int slot_take(const char *name, char *out);

#endif
