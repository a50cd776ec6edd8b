/* Nexmark's auction house, as the generator of github.com/nexmark/nexmark has it: of 50 events one is a new person, three are auctions, 46 bids;
 * half of the bids go to the auction that is hot at the moment, three of four come from the hot bidder; prices are spread evenly over six
 * orders of magnitude. Written here anew, as flat JSON whose "event" says which of the three it is. Bids are keyed by their auction, so that
 * a partition has those of an auction in their order; a thousand events a second of event time, with a midnight in the middle. */
#ifndef BENCH_NEXMARK_H
#define BENCH_NEXMARK_H

#include "stream.h"

/* The same for the same seed. What the queries come to: README.md and jobs.py have the names. */
struct stream nexmark_stream(long seed, int64_t count);

#endif
