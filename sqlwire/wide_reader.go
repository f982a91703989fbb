package sqlwire

import "io"

// wideBytes is how much a wide reader asks for at a time.
const wideBytes = 64 << 10

// A wideReader reads a connection. As long as it is wide it asks for more at a
// time than pgproto3 does, which costs COPY a system call a message or two; else
// it has no buffer, for most connections are idle most of the time.
type wideReader struct {
	src  io.Reader
	wide bool
	buf  []byte
	rest []byte // of buf, not yet asked for
}

func (r *wideReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if !r.wide {
			r.buf, r.rest = nil, nil
			return r.src.Read(p)
		}
		if r.buf == nil {
			r.buf = make([]byte, wideBytes)
		}
		n, err := r.src.Read(r.buf)
		if n == 0 {
			return 0, err
		}
		r.rest = r.buf[:n] // an error beside it will come again
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
