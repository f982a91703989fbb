package cassandra

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"sync"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"golang.org/x/sync/errgroup"
)

// nameShards is in how many partitions the names of the logs of a kind lie; it
// is part of the schema.
const nameShards = 16

// nameKey are the key columns of a log's name.
func nameKey(id store.LogID) []any {
	h := fnv.New32a()
	h.Write([]byte(id.Key))
	return []any{int8(id.Kind), int8(h.Sum32() % nameShards), []byte(id.Key)}
}

// lookUp returns the name of a log's rows, the zero one if there is no log.
func (s *Store) lookUp(ctx context.Context, l *log) (gocql.UUID, error) {
	l.mu.Lock()
	name := l.name
	l.mu.Unlock()
	if name != (gocql.UUID{}) {
		return name, nil
	}
	if err := checkKey(l.id.Key); err != nil {
		return name, err
	}
	if _, err := s.row(ctx, read{op: "log_name", text: s.text.nameRead, args: nameKey(l.id), level: s.levels.read}, &name); err != nil {
		return gocql.UUID{}, err
	}
	l.learn(name)
	return name, nil
}

func (l *log) learn(name gocql.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.name == (gocql.UUID{}) {
		l.name = name
	}
}

// named calls do with the name of a log's rows, and again with another if it
// fails with errDropped. It calls none, if that is not nil, if there is no log.
func (s *Store) named(ctx context.Context, l *log, do func(name gocql.UUID) error, none func()) error {
	for last := (gocql.UUID{}); ; {
		name, err := s.lookUp(ctx, l)
		if err != nil {
			return err
		}
		if name == (gocql.UUID{}) || name == last { // or it is only not yet forgotten
			l.forget(name)
			if none != nil {
				none()
			}
			return nil
		}
		if err = do(name); !errors.Is(err, errDropped) {
			return err
		}
		l.forget(name)
		last = name
	}
}

// create gives a log a name, unless it has one, and returns it.
func (s *Store) create(ctx context.Context, l *log) (gocql.UUID, error) {
	if err := checkKey(l.id.Key); err != nil {
		return gocql.UUID{}, err
	}
	name, err := gocql.RandomUUID()
	if err != nil {
		return name, err
	}
	applied, seen, err := s.swap(ctx, "log_create", statement{s.text.nameCreate, append(nameKey(l.id), name)})
	if err != nil {
		return name, err
	}
	if !applied {
		var ok bool
		if name, ok = seen["log"].(gocql.UUID); !ok {
			return name, corrupt("%v: its name is missing", l)
		}
	}
	l.learn(name)
	return name, nil
}

// unname takes a log's name away, if it is still that.
func (s *Store) unname(ctx context.Context, l *log, name gocql.UUID) error {
	_, _, err := s.swap(ctx, "log_unname", statement{s.text.nameDelete, append(nameKey(l.id), name)})
	if err == nil {
		l.forget(name)
	}
	return err
}

// List implements store.Logs; the logs come in the order of their keys. A log
// whose first append was begun and not acknowledged may be among them.
func (s *Store) List(ctx context.Context, kind store.LogKind) ([]store.LogID, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	var mu sync.Mutex
	var ids []store.LogID
	g, gctx := errgroup.WithContext(ctx)
	for shard := range nameShards {
		g.Go(func() error {
			r := read{op: "log_list", text: s.text.nameList, args: []any{int8(kind), int8(shard)}, level: s.levels.read, rows: namePageRows}
			return s.rows(gctx, r, func(scan func(...any) error) (bool, error) {
				var key []byte
				var name gocql.UUID
				if err := scan(&key, &name); err != nil {
					return false, err
				}
				id := store.LogID{Kind: kind, Key: string(key)}
				s.log(id).learn(name)
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
				return true, nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(ids, func(a, b store.LogID) int { return strings.Compare(a.Key, b.Key) })
	return ids, nil
}

// checkKind refuses kinds of logs that there are not.
func checkKind(id store.LogID) error {
	if id.Kind < store.SourceLog || id.Kind > store.SequenceLog {
		return pgerr.New(pgerr.InternalError, "cassandra: no kind %d of logs", id.Kind)
	}
	return nil
}
