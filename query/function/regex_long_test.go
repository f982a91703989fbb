package function

import (
	"context"
	"reflect"
	"strings"
	"testing"
)

// TestLongTexts compares matches of texts that are read by characters with package regexp's own.
func TestLongTexts(t *testing.T) {
	texts := []string{strings.Repeat("ab, añb ", 12_000), strings.Repeat("x", longText), strings.Repeat("a\n", longText/2) + "b"}
	for _, pattern := range []string{"b", "a(.)b", "ñ", "", "x*", "a?", "(a|ab)(, )?", "[^ ]+$", "b$", `\mab`, "^a", "nothing", ".(?:ñ|,)"} {
		re, err := compileRegex(pattern, regexFlags{})
		if err != nil || re.linear == nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, s := range texts {
			const most = 2000
			got, err := re.linearFindAll(t.Context(), s, most)
			if want := re.linear.FindAllStringSubmatchIndex(s, most); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q in a text of %d bytes: %d matches, %v; package regexp has %d", pattern, len(s), len(got), err, len(want))
			}
			one, err := re.linearFind(t.Context(), s)
			if want := re.linear.FindStringSubmatchIndex(s); err != nil || !reflect.DeepEqual(one, want) {
				t.Errorf("%q in a text of %d bytes: %v, %v; package regexp has %v", pattern, len(s), one, err, want)
			}
			if found, err := re.linearMatches(t.Context(), s); err != nil || found != re.linear.MatchString(s) {
				t.Errorf("%q in a text of %d bytes: %v, %v", pattern, len(s), found, err)
			}
		}
	}
}

// TestLongTextsEnd: a cancelled statement does not read its text to the end.
func TestLongTextsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	re, err := compileRegex("a(.*)b", regexFlags{})
	if err != nil {
		t.Fatal(err)
	}
	r := &pollingReader{ctx: ctx, text: strings.Repeat("ab", 1<<20)}
	re.linear.MatchReader(r)
	if left := len(r.text); left < 1<<20 {
		t.Errorf("only %d bytes are left", left)
	}
	if _, err := re.all(ctx, strings.Repeat("ab", 1<<20), 0, -1, false); err == nil {
		t.Error("matching goes on")
	}
}
