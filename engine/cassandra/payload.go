package cassandra

import (
	"context"
	"fmt"
	"hash/crc32"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/errgroup"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) int64 { return int64(crc32.Checksum(b, castagnoli)) }

// payload is the bytes of an entry or a checkpoint as a row has them: in the
// row, or in parts that the row names.
type payload struct {
	id     gocql.UUID // unique to the append, or to the checkpoint
	inline []byte
	size   int64
	crc    int64 // CRC32C of all bytes
	parts  int   // 0: the bytes are inline
}

// maxPayloadBytes bounds what a row may say of its size before it is believed.
const maxPayloadBytes = 1 << 30

// partsOf splits bytes into parts.
func partsOf(data []byte, partBytes int) [][]byte {
	var parts [][]byte
	for len(data) > partBytes {
		parts = append(parts, data[:partBytes:partBytes])
		data = data[partBytes:]
	}
	return append(parts, data)
}

// newPayload says how data lies in a row, without writing anything.
func (s *Store) newPayload(data []byte) (payload, error) {
	id, err := gocql.RandomUUID()
	if err != nil {
		return payload{}, err
	}
	p := payload{id: id, size: int64(len(data)), crc: checksum(data)}
	if len(data) > s.opts.Limits.InlineBytes {
		p.parts = len(partsOf(data, s.opts.Limits.PartBytes))
	} else {
		p.inline = append([]byte{}, data...) // nil would be null
	}
	return p, nil
}

// columns are the row's columns: id, data, size, crc, parts.
func (p *payload) columns() []any { return []any{p.id, p.inline, p.size, p.crc, p.parts} }

// partAddress says in which partition a part lies.
type partAddress func(part int) (owner gocql.UUID, bucket int64)

// writeParts makes the parts of a payload durable. They are never changed, so
// they are written plainly, and before the row that names them.
func (s *Store) writeParts(ctx context.Context, p *payload, data []byte, at partAddress) error {
	if p.parts == 0 {
		return nil
	}
	micros := s.clock.now()
	g, ctx := errgroup.WithContext(ctx)
	for i, part := range partsOf(data, s.opts.Limits.PartBytes) {
		give, err := s.writes.take(ctx, int64(len(part)))
		if err != nil {
			return errFirst(g.Wait(), err)
		}
		g.Go(func() error {
			defer give()
			owner, bucket := at(i)
			return s.write(ctx, "part_write", micros, s.text.partWrite, owner, bucket, p.id, i, part, checksum(part))
		})
	}
	return g.Wait()
}

// errFirst returns the first error that is not nil.
func errFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// bytes returns the bytes of a payload that a row has, checked. what names it
// in errors.
func (s *Store) payloadBytes(ctx context.Context, p *payload, at partAddress, what string) ([]byte, error) {
	if p.size < 0 || p.size > maxPayloadBytes || p.parts < 0 || int64(p.parts) > p.size {
		return nil, corrupt("%s: %d bytes in %d parts", what, p.size, p.parts)
	}
	data := p.inline
	if p.parts > 0 {
		var err error
		if data, err = s.readParts(ctx, p, at, what); err != nil {
			return nil, err
		}
	}
	if int64(len(data)) != p.size {
		return nil, corrupt("%s: it has %d bytes, its row says %d", what, len(data), p.size)
	}
	if checksum(data) != p.crc {
		return nil, corrupt("%s: its checksum is wrong", what)
	}
	return data, nil
}

func (s *Store) readParts(ctx context.Context, p *payload, at partAddress, what string) ([]byte, error) {
	parts := make([][]byte, p.parts)
	g, ctx := errgroup.WithContext(ctx)
	for i := range parts {
		give, err := s.reads.take(ctx, int64(s.opts.Limits.PartBytes))
		if err != nil {
			return nil, errFirst(g.Wait(), err)
		}
		g.Go(func() (err error) {
			defer give()
			owner, bucket := at(i)
			parts[i], err = s.readPart(ctx, partKey{
				text: s.text.partRead, args: []any{owner, bucket, p.id, i}, size: -1,
				what: fmt.Sprintf("%s, part %d", what, i),
				write: func(ctx context.Context, micros int64, data []byte, crc int64) error {
					return s.write(ctx, "part_repair", micros, s.text.partWrite, owner, bucket, p.id, i, data, crc)
				},
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	data := make([]byte, 0, size)
	for _, part := range parts {
		data = append(data, part...)
	}
	return data, nil
}
