package jsonpart

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
)

// values are those that Split put, by path.
type values []string

func (v values) Has(path int) bool                  { return v[path] != "" && v[path] != "null" }
func (v values) Append(dst []byte, path int) []byte { return append(dst, v[path]...) }

func tree(t testing.TB, paths ...string) *Tree {
	t.Helper()
	tr, err := NewTree(split(paths))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func split(paths []string) (out [][]string) {
	for _, p := range paths {
		out = append(out, strings.Split(p, "/"))
	}
	return out
}

func TestSplitAndJoin(t *testing.T) {
	tr := tree(t, "b", "aa", "in/x", "in/deep/y", "q\"", "")
	for _, c := range []struct{ doc, rest string }{
		{`{}`, `{}`},
		{`{"b": 1}`, `{}`},
		{`{"a": 0, "b": 1, "c": 2, "aa": 1.00, "bb": [1, {"b": 2}]}`, `{"a": 0, "c": 2, "bb": [1, {"b": 2}]}`},
		{`{"": "", "b": {"x": 1}, "in": {"x": "\"", "deep": {"y": -0.5, "z": null}}, "q\"": true}`, `{"in": {"deep": {"z": null}}}`},
		{`{"b": null, "in": {"x": null}}`, `{"b": null, "in": {"x": null}}`},
		{`{"in": []}`, `{"in": []}`},
		{`{"in": {"deep": 7}}`, `{"in": {"deep": 7}}`},
		{`[{"b": 1}]`, `[{"b": 1}]`},
		{`"b"`, `"b"`},
		{`17.50`, `17.50`},
	} {
		if canonical, err := datum.CanonicalJSON(c.doc); err != nil || canonical != c.doc {
			t.Fatalf("%s is not canonical: %s, %v", c.doc, canonical, err)
		}
		found := make(values, 6)
		rest, ok := tr.Split(nil, c.doc, func(path int, value string) { found[path] = value })
		if !ok || string(rest) != c.rest {
			t.Errorf("%s: rest %s, %v, want %s", c.doc, rest, ok, c.rest)
		}
		j := tr.NewJoiner()
		for range 2 {
			if back, ok := j.Join(nil, string(rest), found); !ok || string(back) != c.doc {
				t.Errorf("%s comes back as %s, %v", c.doc, back, ok)
			}
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	tr := tree(t, "a", "in/x")
	for _, doc := range []string{
		``, `{`, `{"a"`, `{"a": `, `{"a":1}`, `{"a": 1 }`, `{"a": 1,"b": 2}`, `{"a": 1} `, `{"a": "x}`, `{"in": {"x": 1}`, `{"b": [1}`, `{a: 1}`, `{, "a": 1}`, `{"in": {"x": 1,}}`,
	} {
		if rest, ok := tr.Split(nil, doc, func(int, string) {}); ok {
			t.Errorf("%q gives %q", doc, rest)
		}
	}
}

// TestJoinRefuses gives Join values that have no place.
func TestJoinRefuses(t *testing.T) {
	tr := tree(t, "a", "in/x")
	for _, rest := range []string{`{"a": 1}`, `{"a": null}`, `[1]`, `7`, ``, `{"in": 3`} {
		if out, ok := tr.NewJoiner().Join(nil, rest, values{"5", ""}); ok {
			t.Errorf("a in %q gives %q", rest, out)
		}
	}
	for _, rest := range []string{`{}`, `{"in": 1}`, `{"in": {"x": 2}}`} {
		if out, ok := tr.NewJoiner().Join(nil, rest, values{"", "5"}); ok {
			t.Errorf("in/x in %q gives %q", rest, out)
		}
	}
	if _, err := NewTree(split([]string{"a", "a/b"})); err == nil {
		t.Error("a path leads through another")
	}
	if _, err := NewTree([][]string{{}}); err == nil {
		t.Error("a path without keys")
	}
	if _, err := NewTree([][]string{{strings.Repeat("k", MaxPathBytes+1)}}); err == nil {
		t.Error("a path that is too long")
	}
}

// TestJoinerForgets gives a Joiner more texts than it keeps.
func TestJoinerForgets(t *testing.T) {
	j := tree(t, "a").NewJoiner()
	long := strings.Repeat("x", 1000)
	for i := range 3000 {
		want := fmt.Sprintf(`{"a": 1, "b": %d, "long": "%s"}`, i, long)
		got, ok := j.Join(nil, fmt.Sprintf(`{"b": %d, "long": "%s"}`, i, long), values{"1"})
		if !ok || string(got) != want {
			t.Fatalf("%d: %s", i, got)
		}
	}
	if j.size > maxKnownBytes+2000 {
		t.Errorf("keeps %d bytes", j.size)
	}
}

func TestGet(t *testing.T) {
	for _, c := range []struct {
		doc, path, want string
		found           bool
	}{
		{`{"a": 1}`, "a", "1", true},
		{`{"a": null}`, "a", "null", true},
		{`{"a": {"b": "x"}}`, "a/b", `"x"`, true},
		{`{"b": 0, "aa": {"é\"": [1]}}`, "aa/é\"", "[1]", true},
		{`{"bb": 1}`, "a", "", false},
		{`{"a": [1]}`, "a/0", "", false},
		{`[{"a": 1}]`, "a", "", false},
		{`"a"`, "a", "", false},
		{` { "c" : 1 , "a":{ "b":2.0 } , "a":{ "b":3.0 }}`, "a/b", "3.0", true}, // not canonical
	} {
		got, found, ok := NewPath(strings.Split(c.path, "/")).Get(c.doc)
		if !ok || found != c.found || got != c.want {
			t.Errorf("%s at %s: %q, %v, %v", c.doc, c.path, got, found, ok)
		}
	}
	if _, _, ok := NewPath([]string{"a"}).Get(`{"b`); ok {
		t.Error("what is no JSON has something")
	}
}

// TestSurvey chooses frequent paths, and no more than it may.
func TestSurvey(t *testing.T) {
	s := &Survey{}
	for i := range 1000 {
		doc := fmt.Sprintf(`{"n": %d, "big": "%s", "x%d": 1, "in": {"a": 1, "b": {"c": [1]}}, "mostly": `, i, strings.Repeat("b", 50), i)
		if i%10 == 0 {
			doc += `{"z": 1}`
		} else {
			doc += `"text"`
		}
		if i%50 == 0 {
			doc += `, "rare": 1`
		}
		if i%4 == 0 {
			doc += `, "nothing": null`
		}
		s.Add(doc + "}")
	}
	want := [][]string{{"big"}, {"in", "a"}, {"in", "b", "c"}, {"mostly"}, {"n"}}
	if got := s.Choose(100); !reflect.DeepEqual(got, want) {
		t.Errorf("chooses %q, want %q", got, want)
	}
	if got := s.Choose(2); !reflect.DeepEqual(got, [][]string{{"big"}, {"mostly"}}) {
		t.Errorf("chooses %q of two", got)
	}
	s = &Survey{}
	for i := range 3 * maxSurveyed {
		s.Add(fmt.Sprintf(`{"key %d": {"x": 1}}`, i))
	}
	if len(s.Choose(10)) > 0 || s.seen > maxSurveyed {
		t.Errorf("%d paths counted of keys that never come again", s.seen)
	}
}

// FuzzJSONPart gives all of it any bytes, and compares Get with a parser.
func FuzzJSONPart(f *testing.F) {
	for _, doc := range []string{`{}`, `{"a": {"b": 1}, "c": [1, "x"]}`, `{"a": {"b": null, "cc": {}}, "c": "\""}`, `{"c": {}}`, `[1]`, `{"a": {`} {
		f.Add(doc, doc)
	}
	f.Fuzz(func(t *testing.T, doc, rest string) {
		tr := tree(t, "a/b", "c", "a/cc/d")
		s := &Survey{}
		s.Add(doc)
		s.Choose(5)
		found := make(values, 3)
		out, ok := tr.Split(nil, doc, func(path int, value string) { found[path] = value })
		if canonical, err := datum.CanonicalJSON(doc); err == nil && canonical == doc {
			if !ok {
				t.Fatalf("%q is not split", doc)
			}
			if back, ok := tr.NewJoiner().Join(nil, string(out), found); !ok || string(back) != doc {
				t.Fatalf("%q comes back as %q", doc, back)
			}
		}
		tr.NewJoiner().Join(nil, rest, found)
		for _, keys := range split([]string{"a", "a/b", "c", "c/x"}) {
			got, has, ok := NewPath(keys).Get(doc)
			v, err := datum.ParseJSON(doc)
			if err != nil {
				continue
			}
			want, there := v, true
			for _, k := range keys {
				if there {
					want, there = want.Field(k)
				}
			}
			if string(v.AppendText(nil)) != doc {
				continue
			}
			if !ok || has != there || has && got != string(want.AppendText(nil)) {
				t.Fatalf("%q at %q: %q, %v, %v", doc, keys, got, has, ok)
			}
		}
		if !slices.Equal(NewPath([]string{"a"}).Keys(), []string{"a"}) {
			t.Fatal("keys")
		}
	})
}
