/* The master's eye on what scripts do with its workers (flow/script_watch.h). */
#ifndef RUN_SCRIPT_WATCH_H
#define RUN_SCRIPT_WATCH_H

#include "run/crew.h"

/* Every moment: kills a worker whose script has taken too long for one message. */
void script_watch_look(struct crew_worker *worker);
/* The worker has ended. True where that was by a message that a script had, which is suspect from now on: a script that never came to
 * its end, or a crash. */
bool script_watch_blame(struct crew_worker *worker);

#endif
