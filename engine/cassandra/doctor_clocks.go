package cassandra

import (
	"fmt"
	"time"
)

// A clockSample says by how much a server's clock is ahead of ours: offset, give
// or take bound.
type clockSample struct{ offset, bound time.Duration }

// Clocks that differ for certain by more than clockWarning may order writes of
// one row the wrong way round. A lease is judged by the servers' clocks, in whole
// seconds: from clockBad on it may run out early.
const (
	clockWarning = 50 * time.Millisecond
	clockBad     = time.Second
)

// judgeClocks compares the servers' clocks with each other.
func judgeClocks(all []serverFacts) Finding {
	const check = "clocks of servers"
	up := answering(all)
	if len(up) < 2 {
		return finding(check, OK, "%s to compare", plural(len(up), "server"))
	}
	early, late := up[0], up[0]
	for _, s := range up[1:] {
		if s.clock.offset < early.clock.offset {
			early = s
		}
		if s.clock.offset > late.clock.offset {
			late = s
		}
	}
	d := clockSample{late.clock.offset - early.clock.offset, late.clock.bound + early.clock.bound}
	return d.judge(check, fmt.Sprintf("%s is ahead of %s by %s", late.address, early.address, d))
}

// judgeOurClock compares our clock with that of the server that is furthest from it.
func judgeOurClock(all []serverFacts) Finding {
	const check = "clock of this machine"
	up := answering(all)
	if len(up) == 0 {
		return finding(check, Unknown, "no server answers")
	}
	far := up[0]
	for _, s := range up[1:] {
		if s.clock.offset.Abs()-s.clock.bound > far.clock.offset.Abs()-far.clock.bound {
			far = s
		}
	}
	c := far.clock
	word := "ahead of"
	if c.offset < 0 {
		word, c.offset = "behind", -c.offset
	}
	return c.judge(check, fmt.Sprintf("%s is %s it by %s, and no server is further off", far.address, word, c))
}

func (c clockSample) String() string {
	return fmt.Sprintf("%v ± %v", c.offset.Round(100*time.Microsecond), c.bound.Round(100*time.Microsecond))
}

// judge judges how far apart two clocks are; the offset is not negative.
func (c clockSample) judge(check, text string) Finding {
	const do = "Synchronise the clocks of all machines, those of Phyllo included (chrony or NTP)"
	switch certain := c.offset - c.bound; {
	case certain > clockBad:
		return finding(check, Bad, "%s: leases of Phyllo's nodes may run out early", text).do(do)
	case certain > clockWarning:
		return finding(check, Warning, "%s: what is written within that time may be ordered the wrong way round", text).do(do)
	case c.offset+c.bound > clockBad:
		return finding(check, Unknown, "%s: the servers answer too slowly to tell more", text).do("Ask again from a machine near them")
	}
	return finding(check, OK, "%s", text)
}
