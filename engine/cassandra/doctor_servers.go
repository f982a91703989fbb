package cassandra

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// serverFacts are what one server says of itself.
type serverFacts struct {
	id, address, dc, rack string

	err     error // why it does not answer; then nothing below is known
	version string
	schema  string // version of the schema that it has
	clock   clockSample

	// Of the virtual tables each by itself may be missing: errors say so.
	settings    map[string]string
	settingsErr error
	load        loadFacts
}

// askServers asks each server, all at once.
func (d *doctor) askServers(ctx context.Context) {
	hosts := d.session.GetHosts()
	d.servers = make([]serverFacts, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		s := &d.servers[i]
		s.id, s.address, s.dc, s.rack = h.HostID(), h.ConnectAddress().String(), h.DataCenter(), h.Rack()
		wg.Go(func() { d.askServer(ctx, s) })
	}
	wg.Wait()
	slices.SortFunc(d.servers, func(a, b serverFacts) int {
		return cmp.Or(strings.Compare(a.dc, b.dc), strings.Compare(a.address, b.address))
	})
	d.settle(ctx)
}

// settleTries is how often servers are asked again for the version of the schema,
// while they do not agree: a change of a moment ago is no disagreement.
const settleTries = 6

func (d *doctor) settle(ctx context.Context) {
	for range settleTries {
		if len(schemaVersions(d.servers)) < 2 || pause(ctx, 7) != nil {
			return
		}
		for i := range d.servers {
			if s := &d.servers[i]; s.err == nil {
				s.err = d.askSelf(ctx, s)
			}
		}
	}
}

func (d *doctor) askServer(ctx context.Context, s *serverFacts) {
	if s.err = d.askSelf(ctx, s); s.err != nil {
		return
	}
	if s.clock, s.err = d.askClock(ctx, s); s.err != nil {
		return
	}
	s.settings, s.settingsErr = d.askSettings(ctx, s)
	d.askLoad(ctx, s)
}

// ask prepares a question to one server. Its answer needs no other one.
func (d *doctor) ask(s *serverFacts, text string, args ...any) *gocql.Query {
	return d.session.Query(text, args...).Consistency(gocql.One).SetHostID(s.id).RetryPolicy(nil)
}

// askRows calls scan for each row of the answer.
func (d *doctor) askRows(ctx context.Context, s *serverFacts, scan func(scan func(dest ...any) error) error, text string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	scanner := d.ask(s, text, args...).IterContext(ctx).Scanner()
	for scanner.Next() {
		if err := scan(scanner.Scan); err != nil {
			return err
		}
	}
	return scanner.Err()
}

func (d *doctor) askSelf(ctx context.Context, s *serverFacts) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var schema gocql.UUID
	err := d.ask(s, `SELECT release_version, schema_version FROM system.local WHERE key = 'local'`).ScanContext(ctx, &s.version, &schema)
	s.schema = schema.String()
	return err
}

// clockSamples is how often a server is asked for its time: the quickest answer
// says it best.
const clockSamples = 7

// askClock compares a server's clock with ours. The server read it while the
// question was on its way, so half of the round trip bounds the error; the
// answer is in whole milliseconds, of which the middle is taken.
func (d *doctor) askClock(ctx context.Context, s *serverFacts) (clockSample, error) {
	best := clockSample{bound: time.Hour}
	for range clockSamples {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		var at time.Time
		begin := time.Now()
		err := d.ask(s, `SELECT toTimestamp(now()) FROM system.local WHERE key = 'local'`).ScanContext(ctx, &at)
		trip := time.Since(begin)
		cancel()
		if err != nil {
			return clockSample{}, err
		}
		// Round drops the monotonic reading, with which begin must not be compared.
		offset := at.Add(time.Millisecond / 2).Sub(begin.Round(0).Add(trip / 2))
		if bound := trip/2 + time.Millisecond/2; bound < best.bound {
			best = clockSample{offset: offset, bound: bound}
		}
	}
	return best, nil
}

func (d *doctor) askSettings(ctx context.Context, s *serverFacts) (map[string]string, error) {
	out := map[string]string{}
	err := d.askRows(ctx, s, func(scan func(...any) error) error {
		var name, value string
		if err := scan(&name, &value); err != nil {
			return err
		}
		out[name] = value
		return nil
	}, `SELECT name, value FROM system_views.settings`)
	return out, err
}

// answering returns the servers that answer.
func answering(all []serverFacts) []serverFacts {
	return slices.DeleteFunc(slices.Clone(all), func(s serverFacts) bool { return s.err != nil })
}

// addresses lists servers as people read it.
func addresses(all []serverFacts) string {
	var out []string
	for _, s := range all {
		out = append(out, s.address)
	}
	return strings.Join(out, ", ")
}

// notOffered says why a virtual table cannot be read.
func notOffered(table string, err error) string {
	if code, ok := serverCode(err); ok {
		switch code {
		case gocql.ErrCodeInvalid, gocql.ErrCodeSyntax:
			return "this version of Cassandra does not offer " + table
		case gocql.ErrCodeUnauthorized:
			return "the user may not read " + table
		}
	}
	return table + " cannot be read: " + err.Error()
}
