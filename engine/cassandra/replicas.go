package cassandra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/engine/store"
)

// errMissing reports a part that no replica has.
var errMissing = errors.New("cassandra: no replica has it")

// maxServersAsked bounds the servers that are asked one by one for a part.
const maxServersAsked = 64

// repairMicros is by how much the time of a deletion is above that of what it
// deletes, and so how often a part can be written again by repairs.
const repairMicros = 1000

// partKey names a part and how to read it: data, its checksum, and the time it
// was written.
type partKey struct {
	text string
	args []any
	size int    // of the part, -1 if it is not known
	what string // in words
	// write writes the part again, at that time; nil: it is not repaired.
	write func(ctx context.Context, micros int64, data []byte, crc int64) error
}

// copyState is what one read of a part gave.
type copyState struct {
	found   bool
	data    []byte
	crc     int64
	written int64
	wrong   string // why it is not good, if it was found
}

func (c *copyState) good() bool { return c.found && c.wrong == "" }

// readPart reads a part, which never changes, from one replica. If that does not have
// it, it asks a quorum, then each server in turn; if it is damaged there, the servers
// first, for a quorum would give a damaged copy that is newer to those that have a good
// one. Good bytes that are found are written over bad ones.
func (s *Store) readPart(ctx context.Context, k partKey) ([]byte, error) {
	level := gocql.LocalOne
	if store.ReadConsistency(ctx) != "" {
		var err error
		if level, err = s.readLevel(ctx); err != nil {
			return nil, err
		}
	}
	c, err := s.readCopy(ctx, k, level, "")
	if err != nil && !replicaFailed(err) {
		return nil, err
	}
	if err != nil {
		c = copyState{found: true, wrong: "a replica cannot read it"}
	}
	if c.good() {
		return c.data, nil
	}
	bad := c
	s.metrics.corrupt.Inc()
	if !bad.found {
		if c, err = s.readCopy(ctx, k, s.levels.read, ""); err != nil && !replicaFailed(err) {
			return nil, err
		}
		if c.good() {
			return c.data, nil // the read gave it to the replica that did not have it
		}
	}
	quorum := bad.found // is still to be asked
	bad = worse(bad, c)
	c, bad, silent, err := s.readEverywhere(ctx, k, bad)
	if err != nil {
		return nil, err
	}
	if !c.good() && quorum {
		if c, err = s.readCopy(ctx, k, s.levels.read, ""); err != nil && !replicaFailed(err) {
			return nil, err
		}
	}
	if !c.good() {
		return nil, lost(k, worse(bad, c), silent)
	}
	s.repair(ctx, k, bad, c)
	return c.data, nil
}

// replicaFailed tells whether a replica could not read what it has, such as a
// damaged file.
func replicaFailed(err error) bool {
	code, ok := serverCode(err)
	return ok && code == gocql.ErrCodeReadFailure
}

// worse returns the one of two bad copies that says more.
func worse(a, b copyState) copyState {
	if !a.found || b.found && b.written > a.written {
		return b
	}
	return a
}

// lost is the error for a part of which there is no good copy.
func lost(k partKey, bad copyState, silent int) error {
	note := ""
	if silent > 0 {
		note = fmt.Sprintf(" (%d servers could not be asked)", silent)
	}
	if bad.found {
		return corrupt("%s: %s, and no replica has it better%s", k.what, bad.wrong, note)
	}
	return fmt.Errorf("%w: %s%s", errMissing, k.what, note)
}

// readEverywhere asks each server for its own copy.
func (s *Store) readEverywhere(ctx context.Context, k partKey, bad copyState) (good, worst copyState, silent int, err error) {
	hosts := s.session.GetHosts()
	slices.SortStableFunc(hosts, func(a, b *gocql.HostInfo) int { // the near ones first
		return order(a.DataCenter() != s.dc, b.DataCenter() != s.dc)
	})
	for i, host := range hosts {
		if i == maxServersAsked {
			silent += len(hosts) - i
			break
		}
		level := gocql.LocalOne
		if host.DataCenter() != s.dc {
			level = gocql.One
		}
		c, err := s.readCopy(ctx, k, level, host.HostID())
		switch {
		case ctx.Err() != nil:
			return c, bad, silent, ctx.Err()
		case err != nil:
			silent++
		case c.good():
			return c, bad, silent, nil
		default:
			bad = worse(bad, c)
		}
	}
	return copyState{}, bad, silent, nil
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// readCopy reads a part once and looks at what came.
func (s *Store) readCopy(ctx context.Context, k partKey, level gocql.Consistency, host string) (copyState, error) {
	var c copyState
	var crc, written *int64
	found, err := s.row(ctx, read{op: "part_read", text: k.text, args: k.args, level: level, host: host}, &c.data, &crc, &written)
	if err != nil || !found {
		return copyState{}, err
	}
	c.found = true
	if written != nil {
		c.written = *written
	}
	switch {
	case crc == nil || written == nil:
		c.wrong = "columns are missing"
	case k.size >= 0 && len(c.data) != k.size:
		c.wrong = fmt.Sprintf("it has %d bytes in place of %d", len(c.data), k.size)
	case checksum(c.data) != *crc:
		c.wrong = "its checksum is wrong"
	default:
		c.crc = *crc
	}
	s.metrics.bytesRead.Add(float64(len(c.data)))
	return c, nil
}

// repair writes good bytes over what was bad.
func (s *Store) repair(ctx context.Context, k partKey, bad, good copyState) {
	log := s.opts.Logger.With(slog.String("part", k.what), slog.String("damage", bad.wrong))
	if k.write == nil {
		log.Warn("a replica has a damaged part")
		return
	}
	if err := k.write(ctx, max(bad.written, good.written)+1, good.data, good.crc); err != nil {
		log.Warn("a replica has a damaged part; it could not be repaired", slog.String("error", err.Error()))
		return
	}
	s.metrics.repaired.Inc()
	log.Warn("a replica had a damaged or missing part; it was repaired from a good one")
}
