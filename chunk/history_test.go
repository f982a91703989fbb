package chunk

import (
	"reflect"
	"slices"
	"testing"
)

func TestJoinRanges(t *testing.T) {
	for _, c := range []struct{ in, want []VersionRange }{
		{nil, nil},
		{[]VersionRange{{3, 5}}, []VersionRange{{3, 5}}},
		{[]VersionRange{{7, 9}, {3, 5}, {7, 9}}, []VersionRange{{3, 5}, {7, 9}}},
		{[]VersionRange{{3, 5}, {6, 7}}, []VersionRange{{3, 5}, {6, 7}}},
		{[]VersionRange{{3, 9}, {4, 5}, {9, 12}, {13, 13}}, []VersionRange{{3, 12}, {13, 13}}},
	} {
		got := JoinRanges(slices.Clone(c.in))
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
		e := &Entry{ID: ID{1}, Version: 1, Rows: 1, Time: TimeRange{Min: 1, Max: 0}, Together: got}
		if back, _, err := DecodeEntry(AppendEntry(nil, e)); err != nil || !reflect.DeepEqual(back.Together, got) {
			t.Errorf("%v: read back: %v", got, err)
		}
	}
	many := make([]VersionRange, maxTogether+3)
	for i := range many {
		many[i] = VersionRange{uint64(2*i + 1), uint64(2*i + 1)}
	}
	if got := JoinRanges(many); len(got) != maxTogether || got[0].First != 7 {
		t.Errorf("of too many: %d, from %d on", len(got), got[0].First)
	}
}
