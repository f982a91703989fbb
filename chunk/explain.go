package chunk

import (
	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// Explain returns the encodings that the writer of a blob with these values would
// consider, the cheapest first: what the blob has, unless another version wrote it.
// It is empty for blobs of bits, lists and wide numerics. Errors wrap ErrCorrupt.
func Explain(blob []byte) ([]codec.Candidate, error) {
	if err := checkHeader(blob); err != nil {
		return nil, err
	}
	r := reader{b: blob[4:]}
	c, err := openBlob(blob, datum.Type{OID: datum.OID(r.uint32()), Mod: int32(r.uint32())})
	if err != nil {
		return nil, err
	}
	switch {
	case c.form == formList:
		return nil, nil
	case c.ints != nil:
		v, err := decodeAll(c.rows, c.ints.Vector)
		return codec.ExplainInts(v), err
	case c.f32 != nil:
		v, err := decodeAll(c.rows, c.f32.Vector)
		return codec.ExplainFloats(v), err
	case c.f64 != nil:
		v, err := decodeAll(c.rows, c.f64.Vector)
		return codec.ExplainFloats(v), err
	case c.strs != nil:
		strs, ok := c.strs.(*codec.Bytes)
		if !ok {
			return nil, nil
		}
		all := &codec.Strings{}
		for v := range codec.Vectors(c.rows) {
			s, err := strs.Vector(v)
			if err != nil {
				return nil, err
			}
			for i := range s.Len() {
				all.Append(s.At(i))
			}
		}
		return codec.ExplainBytes(all), nil
	}
	return nil, nil
}

// decodeAll returns the values of every vector.
func decodeAll[T any](rows int, vector func(v int, dst []T) ([]T, error)) ([]T, error) {
	out := make([]T, rows)
	for v := range codec.Vectors(rows) {
		if _, err := vector(v, out[v*VectorRows:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
