package codec

import (
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// The writer of entropy nodes, which only programs of format version 2 wrote.

// appendEntropy appends a node.
func appendEntropy(dst []byte, p *classPlan, st *intStats) []byte {
	dst = append(dst, byte(Entropy))
	dst = binary.AppendUvarint(dst, st.unit)
	dst = appendZigzag(dst, st.min)
	dst = appendClasses(dst, p.classes)
	coder := p.coder()
	table, err := coder.AppendTable(nil)
	if err != nil {
		panic("codec: bug: " + err.Error())
	}
	dst = appendPart(dst, table)
	n := len(p.x)
	vectors := Vectors(n)
	dir := len(dst)
	dst = append(dst, make([]byte, 2*vectors)...)
	for v := range vectors {
		at, to, start := v*VectorRows, v*VectorRows+VectorLen(n, v), len(dst)
		dst = p.appendVector(dst, coder, p.x[at:to], p.symbols[at:to])
		binary.LittleEndian.PutUint16(dst[dir+2*v:], uint16(len(dst)-start))
	}
	return append(dst, make([]byte, entropyPadding)...)
}

// coder returns the Huffman codes of the classes.
func (p *classPlan) coder() *huff0.Scratch {
	var count [maxClasses]uint32
	for _, s := range p.symbols {
		count[s]++
	}
	s := &huff0.Scratch{Reuse: huff0.ReusePolicyMust}
	if err := s.BuildCTable(&count); err != nil {
		panic(err)
	}
	return s
}

func (p *classPlan) appendVector(dst []byte, huffman *huff0.Scratch, x []uint64, symbols []uint8) []byte {
	coded := symbols
	if !slices.ContainsFunc(symbols, func(s uint8) bool { return s != symbols[0] }) {
		coded = symbols[:1]
	} else {
		coder := huff0.Compress1X
		if len(symbols) >= huffmanStreams {
			coder = huff0.Compress4X
		}
		if out, _, err := coder(symbols, huffman); err == nil && len(out) < len(symbols) {
			coded = out
		}
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(coded)))
	dst = append(dst, coded...)
	var acc uint64
	used := 0
	for i, s := range symbols {
		c := p.classes[s]
		acc |= (x[i] - c.start) << used
		used += int(c.bits)
		for ; used >= 8; used -= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
		}
	}
	if used > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}
