-- What regular expressions can only do with a tree: look-around, back-references, edges of words, division among captures.
SELECT 'foobar' ~ 'foo(?=bar)', 'foobaz' ~ 'foo(?=bar)', 'foobar' ~ 'foo(?!bar)', 'foobaz' ~ 'foo(?!bar)', 'xbar' ~ '(?<=x)bar', 'ybar' ~ '(?<=x)bar', 'ybar' ~ '(?<!x)bar', 'xbar' ~ '(?<!x)bar';
SELECT regexp_matches('foobar foobaz', 'foo(?=ba(.))', 'g');
SELECT regexp_matches('price: 100 EUR, 200 USD', '\d+(?= USD)', 'g');
SELECT regexp_replace('1234567', '(\d)(?=(\d{3})+$)', '\1,', 'g'), regexp_replace('abcabc', '(?<=b)c', 'X', 'g'), regexp_count('aaa', '(?=a)'), regexp_split_to_array('aXbXc', '(?<=X)');
SELECT 'abab' ~ '^(ab)\1$', 'abac' ~ '^(ab)\1$', 'aa' ~ '^(a)\1{2}$', 'aaa' ~ '^(a)\1{2}$', 'aAa' ~* '^(a)\1+$', 'abcabc' ~ '(.+)\1', 'abcabd' ~ '^(.+)\1$';
SELECT regexp_match('xabcabcx', '(.+)\1'), regexp_match('aabb', '(a*)(b*)\2'), regexp_match('abbaabba', '((a)(b))?(b)?\4'), regexp_match('programmer', '(.)\1.*(.)');
SELECT regexp_match('abcd', '(a|ab)(c|bcd)(d*)'), regexp_match('abcd', '(a|ab)(bcd|c)(d*)'), regexp_match('aab', '(a|ab)+'), regexp_match('aaa', '(a*)+'), regexp_match('xyy', 'x?(?:xy)?(y*)');
SELECT regexp_match('XY1234Z', 'Y*([0-9]{1,3})'), regexp_match('XY1234Z', 'Y*?([0-9]{1,3})'), regexp_match('abc01234xyz', '(.*)(\d+)(.*)'), regexp_match('abc01234xyz', '(.*?)(\d+)(.*)'), regexp_match('abc01234xyz', '(?:(.*?)(\d+)(.*)){1,1}');
SELECT regexp_match('aaabbb', '(a+?)(b+)'), regexp_match('aaabbb', '(a+)(b+?)'), regexp_match('aaabbb', '(a*?)(a*)(b*)'), regexp_match('foo', '(o*?)(o*)$');
SELECT substring('foobar' from 'o(.)b'), substring('abcabc' from '(b)(?=c)'), substring('XY1234Z', 'Y*?([0-9]{1,3})');
SELECT regexp_replace('a word here', '\m(\w)', '<\1>', 'g'), regexp_replace('a word here', '(\w)\M', '<\1>', 'g'), 'x y' ~ '\mx\M', 'xy' ~ 'x\M', regexp_count('one two', '\m.'), regexp_count('one two', '.\M'), 'ab' ~ 'a[[:>:]]', 'a b' ~ 'a[[:>:]] [[:<:]]b';
SELECT 'a-1' ~ '^[\D]+$', 'abc' ~ '^[\W]+$', ' .' ~ '^[\W]+$', 'a1' ~ '^[\S]+$', 'a 1' ~ '^[\S]+$';
SELECT regexp_instr('abcabc', '^a', 2), regexp_count('abcabc', '^a', 2), regexp_substr('abcabc', '\mabc', 4), regexp_replace('aaa', '^a', 'X', 2), regexp_instr('one two', '\m\w', 2);
SELECT 'ab' ~ '(a)\2';
SELECT 'ab' ~ '\1(a)';
SELECT 'ab' ~ '(?=(a)\1)';
SELECT 'ab' ~ 'a(?=b)*';
SELECT 'ab' ~ '(a\1)';
SELECT 'ab' ~ '(?=a';
SELECT 'abcdefghijkk' ~ '(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)\11', E'a\tb' ~ 'a\11b', 'aS' ~ 'a\123';
SELECT regexp_match('aXbXc', '(.*)X(.*)'), regexp_match('aXbXc', '(.*?)X(.*)'), regexp_match('ab12', '([a-z]+)?(\d+)'), regexp_match('12', '([a-z]+)?(\d+)'), regexp_match('ac', '(a)(b)*(c)');
SELECT regexp_match('foobarbequebaz', 'bar.*que'), regexp_match('foobarbequebaz', '(bar)(beque)'), regexp_matches('foobarbequebazilbarfbonk', '(b[^b]+)(b[^b]+)', 'g');
SELECT a, regexp_match(a, '^(\w+)=(["'']?)(.*)\2$') FROM (VALUES ('a="b"'), ('a=''b'''), ('a=b'), ('a="b'), (NULL)) AS t(a);
-- Edges of words beside letters that are not ASCII, and beside what may be empty.
SELECT 'é' ~ '\yé', 'é' ~ '^\y', 'bé' ~ 'b\yé', 'éa' ~ '\ma', 'éa' ~ '\Ya';
SELECT regexp_count('日本 語', '\y'), regexp_count('日本 語', '\Y'), regexp_replace('aébb', '\y.{2,3}?', '<\&>', 'g');
SELECT regexp_replace('cc', '\ma??', '<\&>', 'g'), regexp_count('cc b', '\mb??'), 'a b' ~ '\x20\M', regexp_replace('ab1', '\ma?', '<\&>', 'g');

-- Case by PostgreSQL's rule, classes of a database of UTF-8, and captures of what may be empty.
SELECT 'K' ~* 'k', 'k' ~* 'K', 'ſ' ~* 's', 's' ~* 'ſ', 'S' ~* 'ſ', 'ß' ~* 'ẞ', 'ẞ' ~* 'ß', 'ς' ~* 'Σ', 'ς' ~* 'σ', 'σ' ~* 'ς', 'Σ' ~* 'ς', 'Ä' ~* 'ä', 'ä' ~* 'Ä', 'ǅ' ~* 'ǆ', 'ǆ' ~* 'ǅ', 'ı' ~* 'i', 'I' ~* 'ı', 'İ' ~* 'i', 'i' ~* 'İ';
SELECT 'ſ' ~* '[r-t]', 'S' ~* '[r-t]', 'S' ~* '[^r-t]', 'K' ~* '[a-z]', 'k' ~* '[A-Z]', 'µ' ~* '[α-ω]', 'Å' ~* '[å]', 'ſ' ~* '[^s]';
SELECT 'aſ' ~* '^(a)ſ$', 'sS' ~* '(s)\1', 'ſs' ~* '(ſ)\1', 'Sſ' ~* '(S)\1', 'Aa' ~* '^(.)\1$', 'kK' ~* '^(.)\1$', 'ßẞ' ~* '^(.)\1$';
SELECT 'a' ~* '[[:upper:]]', 'A' ~* '[[:lower:]]', '1' ~* '[[:upper:]]', 'ª' ~ '[[:lower:]]', 'ª' ~* '[[:upper:]]', 'ſ' ~* '[[:digit:]s]';
SELECT '٣' ~ '\d', '٣' ~ '[[:alpha:]]', '٣' ~ '\w', '²' ~ '\w', '½' ~ '[[:alnum:]]', 'Ⅷ' ~ '[[:alpha:]]', 'ⓐ' ~ '[[:lower:]]', '́' ~ '\w', 'ा' ~ '[[:alpha:]]', '_' ~ '[[:alpha:]]', '_' ~ '\w';
SELECT ' ' ~ '\s', ' ' ~ '\s', U&'\0085' ~ '\s', U&'\2028' ~ '[[:space:]]', U&'\2007' ~ '\s', U&'\200b' ~ '\s', U&'\00ad' ~ '[[:graph:]]', U&'\e000' ~ '[[:print:]]', U&'\e000' ~ '[[:punct:]]', U&'\0378' ~ '[[:print:]]';
SELECT '、' ~ '[[:punct:]]', '€' ~ '[[:punct:]]', 'a' ~ '[[:punct:]]', U&'\0001' ~ '[[:cntrl:]]', U&'\0085' ~ '[[:cntrl:]]', U&'\2028' ~ '[[:cntrl:]]';
SELECT regexp_replace('Straße ſtadt KELVIN', '[ks]', '<\&>', 'gi'), regexp_count('ΣΑΣ ας', 'σ', 1, 'i'), regexp_matches('aBC', 'b(?=c)', 'i');
SELECT 'AbC' ~* '***=aBc', 'ſ' ~* '***=s', 'a+B' ~* '***=A+b';
SELECT regexp_replace('12٣4', '\D', 'x', 'g'), regexp_replace('aé٣_-', '\W', 'x', 'g'), regexp_replace('aé٣_-', '[\W_]', 'x', 'g'), '12٣' ~ '^[\d٣]+$';
SELECT 'é' ~ '\mé\M', '٣a' ~ '\ya', '½a' ~ '\ya', 'aº' ~ 'a\M';
SELECT 'Éa' SIMILAR TO '[[:upper:]]_', 'x' ~* '[X]', 'x' ~* '[^X]', 'x' ~ '(?i)X', 'xX' ~ '(?i)^x+$';
SELECT p, t, regexp_match(t, p) FROM (VALUES ('()*', 'aa'), ('(a)*', 'b'), ('(a|)*', 'b'), ('(a*)*', 'b'), ('(a*)?', 'b'), ('(a|())*', 'b'), ('((a)|)*', 'b'), ('(|a)*', 'b'), ('(a??)*', 'b'), ('(a??)*?', 'b'), ('(a|){0,3}', 'b'), ('(^)*', 'b'), ('($)*', 'b'), ('(()())?', 'b'), ('x(a*)*y', 'xy'), ('(a*)*', 'aab'), ('(a*)+', 'aab'), ('(a|)*c', 'aac'), ('()*\1', 'c'), ('(a*)*\1', 'c')) v(p, t);
SELECT regexp_match('aaccb', '(a|(?:.?b{0,2}?)c*){2,3}?'), regexp_match('bc', '(((.+|.|..+?)+?)|[ab]?()){2,}?'), regexp_match('bcb', '((|b)?.{1,1}?){0}c{0,2}?b*?'), regexp_match('a', '(){1,1}?b*((a)+?|b{0,2})'), regexp_match('xabab', 'x(?:a??(?:aba)??b)'), regexp_match('xfoobarz', '.*?(foo|foobar|z)'), regexp_match('xfoobar', '.*?(fo|bar)');
