package codec

import (
	"unsafe"

	"github.com/phyllodb/phyllo/internal/recycle"
)

// A Room holds readers of encoded values and what they keep in memory. After Reset it
// uses the memory again: a scan opens the same columns of one chunk after the other,
// and readers made anew for each would be most of what it allocates. The zero value is
// ready for use, by one goroutine. OpenInts and its like read in a Room of their own.
type Room struct {
	ints         shelf[Ints]
	intConstants shelf[intConstant]
	frames       shelf[frame]
	runs         shelf[runs]
	intRuns      shelf[intRLE]
	intDicts     shelf[intDictionary]
	differences  shelf[differenceNode]
	exceptions   shelf[exceptions]
	intSparse    shelf[intSparse]
	entropies    shelf[entropy]
	wavelets     shelf[wavelet]
	intBlocks    shelf[intZstd]
	ranked       shelf[rankedNode]
	copies       shelf[copyNode]

	floats32 floatShelves[float32]
	floats64 floatShelves[float64]

	bytes         shelf[Bytes]
	byteConstants shelf[bytesConstant]
	bytesPlain    shelf[bytesPlain]
	byteDicts     shelf[bytesDictionary]
	decimals      shelf[decimalText]
	blocks        shelf[textBlocks]
	templates     templates
	symbols       shelf[fsstText]
	fronts        shelf[frontText]

	bitmaps shelf[Bitmap]

	numbers pieces[int64]
	places  pieces[int32]
	values4 pieces[float32]
	values8 pieces[float64]
	texts   texts

	entropyMemory entropyMemories
	waveMemory    waveMemories
}

// floatShelves are for the nodes of floats of one width.
type floatShelves[F Float] struct {
	floats      shelf[Floats[F]]
	constants   shelf[floatConstant[F]]
	plain       shelf[floatPlain[F]]
	alps        shelf[alp[F]]
	corrected   shelf[alpUlp[F]]
	realDoubles shelf[alprd[F]]
	runs        shelf[floatRLE[F]]
	dicts       shelf[floatDictionary[F]]
	sparse      shelf[floatSparse[F]]
	blocks      shelf[floatZstd[F]]
}

func floatShelvesOf[F Float](room *Room) *floatShelves[F] {
	if s, ok := any(&room.floats32).(*floatShelves[F]); ok {
		return s
	}
	return any(&room.floats64).(*floatShelves[F])
}

// floatsOf returns memory for n floats, which hold anything.
func floatsOf[F Float](room *Room, n int) []F {
	if p, ok := any(&room.values4).(*pieces[F]); ok {
		return p.take(n)
	}
	return any(&room.values8).(*pieces[F]).take(n)
}

// Reset ends the readers that were opened in the room, and all that they returned.
// It lets go of the bytes that they read.
func (room *Room) Reset() {
	room.ints.reset()
	room.intConstants.reset()
	room.frames.reset()
	room.runs.reset()
	room.intRuns.reset()
	room.intDicts.reset()
	room.differences.reset()
	room.exceptions.reset()
	room.intSparse.reset()
	room.entropies.reset()
	room.wavelets.reset()
	room.intBlocks.reset()
	room.ranked.reset()
	room.copies.reset()
	room.floats32.reset()
	room.floats64.reset()
	room.bytes.reset()
	room.byteConstants.reset()
	room.bytesPlain.reset()
	room.byteDicts.reset()
	room.decimals.reset()
	room.blocks.reset()
	room.templates.reset()
	room.symbols.reset()
	room.fronts.reset()
	room.bitmaps.reset()
	room.numbers.reset()
	room.places.reset()
	room.values4.reset()
	room.values8.reset()
	room.texts.reset()
	room.entropyMemory.reset()
	room.waveMemory.reset()
}

func (s *floatShelves[F]) reset() {
	s.floats.reset()
	s.constants.reset()
	s.plain.reset()
	s.alps.reset()
	s.corrected.reset()
	s.realDoubles.reset()
	s.runs.reset()
	s.dicts.reset()
	s.sparse.reset()
	s.blocks.reset()
}

// A shelf holds things of one type.
type shelf[T any] struct {
	boards [][]T // all of them full but the last ones
	used   int
}

// boardLen is how many things are made at once.
const boardLen = 8

// put puts a thing on the shelf and returns its place.
func (s *shelf[T]) put(x T) *T {
	if s.used == len(s.boards)*boardLen {
		s.boards = append(s.boards, make([]T, boardLen))
	}
	p := &s.boards[s.used/boardLen][s.used%boardLen]
	s.used++
	*p = x
	return p
}

// reset empties the shelf. Who still reads what stood on it reads nothing, which
// most readers answer with a panic.
func (s *shelf[T]) reset() {
	for i := 0; i*boardLen < s.used; i++ {
		clear(s.boards[i][:min(boardLen, s.used-i*boardLen)])
	}
	s.used = 0
}

// maxPieces bounds the numbers of a type that a room keeps memory for, and maxText the
// bytes of one set of strings: what is beyond is the garbage collector's.
const (
	maxPieces = 1 << 20
	maxText   = 1 << 20
)

// pieces hands out memory for numbers.
type pieces[T int32 | int64 | float32 | float64] struct {
	block []T
	used  int // of block
	more  int // taken beside the block
	want  int // length of the next block; 0: this one will do
}

// take returns memory for n numbers, which hold anything. What the block has no room
// for comes from the heap, and after the next reset it has room for all.
func (p *pieces[T]) take(n int) []T {
	if p.want > 0 {
		p.block, p.want = make([]T, p.want), 0
	}
	if len(p.block)-p.used < n {
		p.more += n
		return make([]T, n)
	}
	out := p.block[p.used : p.used+n : p.used+n]
	p.used += n
	return out
}

func (p *pieces[T]) reset() {
	if recycle.Poison && p.used > 0 {
		recycle.Spoil(unsafe.Slice((*byte)(unsafe.Pointer(&p.block[0])), p.used*int(unsafe.Sizeof(p.block[0]))))
	}
	if want := min(p.used+p.more, maxPieces); want > len(p.block) {
		p.want = want
	}
	p.used, p.more = 0, 0
}

// texts hands out strings to append to.
type texts struct {
	all  []*Strings
	used int
}

// take returns strings, of which there are none.
func (t *texts) take() *Strings {
	if t.used == len(t.all) {
		t.all = append(t.all, &Strings{})
	}
	s := t.all[t.used]
	t.used++
	s.Reset()
	return s
}

func (t *texts) reset() {
	for _, s := range t.all[:t.used] {
		if recycle.Poison {
			recycle.Spoil(s.Data[:cap(s.Data)])
			clear(s.Offsets)
		}
		if cap(s.Data) > maxText {
			s.Data = nil
		}
	}
	t.used = 0
}

// entropyMemories hands out what entropy readers need.
type entropyMemories struct {
	all  []*entropyMemory
	used int
}

// take returns memory that holds anything.
func (m *entropyMemories) take() *entropyMemory {
	if m.used == len(m.all) {
		m.all = append(m.all, &entropyMemory{})
	}
	e := m.all[m.used]
	m.used++
	return e
}

func (m *entropyMemories) reset() {
	if recycle.Poison {
		for _, e := range m.all[:m.used] {
			recycle.Spoil(unsafe.Slice((*byte)(unsafe.Pointer(&e.table)), unsafe.Sizeof(e.table)))
			recycle.Spoil(e.symbols[:])
		}
	}
	m.used = 0
}

// waveMemories hands out what readers of wavelet trees need.
type waveMemories struct {
	all  []*waveMemory
	used int
}

// take returns memory that holds anything.
func (m *waveMemories) take() *waveMemory {
	if m.used == len(m.all) {
		m.all = append(m.all, &waveMemory{})
	}
	w := m.all[m.used]
	m.used++
	return w
}

func (m *waveMemories) reset() {
	if recycle.Poison {
		for _, w := range m.all[:m.used] {
			recycle.Spoil(unsafe.Slice((*byte)(unsafe.Pointer(&w.nodes)), unsafe.Sizeof(w.nodes)))
			recycle.Spoil(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w.scratch))), 8*len(w.scratch)))
		}
	}
	m.used = 0
}

// templates hands out readers of templates, which keep the memory of their fields.
type templates struct {
	all  []*templateText
	used int
}

func (t *templates) take() *templateText {
	if t.used == len(t.all) {
		t.all = append(t.all, &templateText{})
	}
	x := t.all[t.used]
	t.used++
	return x
}

func (t *templates) reset() {
	for _, x := range t.all[:t.used] {
		clear(x.fields)
		clear(x.columns)
		*x = templateText{fields: x.fields[:0], columns: x.columns[:0]}
	}
	t.used = 0
}
