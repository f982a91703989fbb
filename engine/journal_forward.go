package engine

import (
	"errors"
	"log/slog"

	"github.com/phyllodb/phyllo/ingest"
)

// isDue says whether the journal is to be forwarded now.
func (j *journal) isDue() bool { return j != nil && j.due.Load() && j.waits() }

// forward appends to the source log what waits in the journal now. What comes meanwhile
// is for the next time: there may be no end of it.
func (c *committer) forward(j *journal) error {
	j.due.Store(false)
	for last := j.last(); ; {
		batch := j.batch(last)
		if len(batch) == 0 {
			if c.stuck {
				c.db.opt.Logger.Info("the journal of this node is forwarded to the cluster again")
			}
			c.stuck = false
			return nil
		}
		data := forwardedEntry(j, batch)
		seq, err := c.append(data)
		if errors.Is(err, errUndecided) {
			c.leaveOpen(nil, func() error {
				seq, err := c.append(data)
				if err == nil {
					c.db.applyForwarded(seq, batch)
				}
				return err
			})
		}
		if err != nil {
			if !c.stuck {
				c.db.opt.Logger.Warn("the journal of this node could not be forwarded to the cluster", slog.String("error", err.Error()))
			}
			c.stuck = true
			if c.sealed {
				poke(c.wake)
			}
			return err
		}
		c.db.applyForwarded(seq, batch)
		c.landed() // before it is waited for the journal
	}
}

// forwardedEntry makes one entry of a source log of those of the journal.
func forwardedEntry(j *journal, batch []journalEntry) []byte {
	entries := make([][]byte, len(batch))
	for i, e := range batch {
		entries[i] = e.data
	}
	return ingest.AppendForwarded(nil, j.source.String(), batch[len(batch)-1].pos, entries)
}

// forwardNow waits until what is in the journal, or on its way there, is in the source log. It fails if
// the cluster does not answer for ClusterOptions.Insist.
func (db *DB) forwardNow() error {
	if db.journal() == nil {
		return nil
	}
	return db.committer.commit(&commitRequest{})
}
