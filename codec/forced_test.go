package codec

import "math/rand/v2"

// forcedInts encodes v in every scheme that can hold it, chosen or not.
func forcedInts(v []int64) map[string][]byte {
	st := measureInts(v)
	out := map[string][]byte{"chosen": AppendInts(nil, v)}
	for _, s := range []Scheme{FOR, Delta, Linear} {
		out[s.String()] = appendFrame(nil, s, v, &st)
	}
	out["RLE"] = appendIntRLE(nil, v, st.runs, 1)
	if d := collectInts(v, intStats{max: 1 << 20, unit: 1, runs: 100}); d != nil {
		out["dictionary"] = appendIntDict(nil, d, v, 1)
	}
	firsts, d := differences(v)
	out["differences"] = appendDifferences(nil, planInts(firsts, 2), planInts(d, 2))
	if c := planClasses(v, &st, classVectorBits); c != nil {
		out["entropy"] = appendEntropy(nil, c, &st)
		out["wavelet"] = newWavePlan(c).append(nil, &st)
	}
	if x, ok := dominant(len(v), func(i int) int64 { return v[i] }); ok {
		out["sparse"] = appendIntSparse(v, x)
	}
	out["zstd"] = appendIntZstd(v, &st)
	if b := appendIntCopies(v, minCopy); b != nil {
		out["copies"] = b
	}
	if r := newRanked(v, &st); r != nil {
		out["ranked"] = r.append(nil)
	}
	return out
}

func appendIntRLE(dst []byte, v []int64, runs, depth int) []byte {
	lengths, perVector := runLengths(len(v), runs, func(i int) bool { return v[i] == v[i-1] })
	var values []int64
	at := 0
	for _, k := range lengths {
		values = append(values, v[at])
		at += int(k)
	}
	return appendInts(appendRuns(dst, perVector, planInts(lengths, depth+1)), values, depth+1)
}

func appendIntDict(dst []byte, d *intDict, v []int64, depth int) []byte {
	return appendDict(dst, len(d.values), planInts(d.values, depth+1), planInts(d.codes(v), depth+1))
}

func appendIntSparse(v []int64, x int64) []byte {
	counts, gaps := exceptionGaps(len(v), func(i int) bool { return v[i] != x })
	var values []int64
	for _, y := range v {
		if y != x {
			values = append(values, y)
		}
	}
	return appendInts(appendExceptions(appendZigzag([]byte{byte(Sparse)}, x), counts, planInts(gaps, 2)), values, 2)
}

func appendIntZstd(v []int64, st *intStats) []byte {
	b := newIntBlocks(v, st)
	return b.append(nil)
}

// appendIntCopies returns nil if nothing comes again.
func appendIntCopies(v []int64, length int) []byte {
	c := findCopies(v, length)
	if len(c.lengths) == 0 {
		return nil
	}
	var below []*plan
	for _, part := range [][]int64{c.literals, c.before, c.lengths, c.back} {
		below = append(below, planInts(part, 2))
	}
	return c.append(nil, below)
}

func appendFloatRLE[F Float](dst []byte, v []F, runs, depth int) []byte {
	lengths, perVector := runLengths(len(v), runs, func(i int) bool { return bitsOf(&v[i]) == bitsOf(&v[i-1]) })
	var values []F
	at := 0
	for _, k := range lengths {
		values = append(values, v[at])
		at += int(k)
	}
	return appendFloats(appendRuns(dst, perVector, planInts(lengths, depth+1)), values, depth+1)
}

func appendALP[F Float](dst []byte, v []F, e, f, depth int) []byte {
	a := splitALP(v, e, f)
	return a.append(dst, planInts(a.ints, depth+1))
}

// forcedFloats encodes v in every scheme, chosen or not.
func forcedFloats[F Float](v []F) map[string][]byte {
	out := map[string][]byte{
		"chosen": AppendFloats(nil, v), "plain": appendFloatPlain(nil, v),
		"alp": appendALP(nil, v, 8, 2, 1), "rle": appendFloatRLE(nil, v, len(v), 1),
		"alp-rd":  newRealDoubles(v, 8*width[F]()-13, 1).append(nil),
		"alp-ulp": newALPUlp(v, 4, 1, 1).append(nil),
		"zstd":    newFloatBlocks(v, false).append(nil), "planes": newFloatBlocks(v, true).append(nil),
	}
	p := &plan{n: len(v)}
	p.add(candidate{size: 1e300})
	planFloatSparse(p, v, 1)
	if len(p.candidates) > 1 {
		out["sparse"] = p.candidates[1].append(nil)
	}
	return out
}

// addTails adds shapes that entropy coding and sparse columns are for.
func addTails(r *rand.Rand, n int, shapes map[string][]int64) {
	tail, most, codes, double := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	speed, at := int64(0), int64(0)
	for i := range n {
		tail[i] = int64(r.NormFloat64() * r.ExpFloat64() * 1000)
		if r.IntN(3) == 0 {
			tail[i] = 0
		}
		most[i] = 42
		if r.IntN(20) == 0 {
			most[i] = r.Int64N(1000)
		}
		codes[i] = min(int64(r.ExpFloat64()*4), 40)
		speed += r.Int64N(3) - 1
		at += speed + 1000
		double[i] = at
	}
	shapes["tail"], shapes["most"], shapes["codes"], shapes["double delta"] = tail, most, codes, double
	pattern := make([]int64, n)
	for i := range pattern {
		pattern[i] = int64(hash64(uint64(i%100))) >> 30
	}
	shapes["pattern"] = pattern
}
