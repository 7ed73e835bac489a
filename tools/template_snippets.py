"""Pieces of template for templates-golden.py, each for a rule of the language or a function of it."""

VARIABLES = {
    "s": "Hello, World",
    "u": "ÄÖ ß e\u0301 ΑΣ Σ 漢字 🙂",
    "w": " \t a b  c\n",
    "lines": "one\ntwo\r\n\n  three\u2028four",
    "html": "<a href='x'>\"&\"</a>",
    "n": 7,
    "neg": -7,
    "f": 2.5,
    "big": 1e16,
    "tiny": 1.5e-7,
    "t": True,
    "z": None,
    "l": [3, 1, 2],
    "words": ["pear", "Apple", "fig", "apple", "Pear"],
    "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}],
    "empty": [],
    "d": {"b": 2, "A": 1, "c": {"x": [10, 20]}, "items": "field", "ünï": "ö"},
    "rows": [
        {"name": "Ann", "city": "Bern", "age": 30, "tags": ["x", "y"]},
        {"name": "bob", "city": "bern", "age": 25, "tags": []},
        {"name": "Cy", "city": "Aarau", "age": 35},
    ],
    "tree": [{"n": "a", "kids": [{"n": "b", "kids": []}, {"n": "c", "kids": [{"n": "d", "kids": []}]}]}],
}


def printed(expressions):
    return ["{{ " + line.strip() + " }}" for line in expressions.strip().splitlines()]


WHITESPACE = [
    "a\n",
    "a\n\n",
    "a\r\nb\rc\n",
    "{% if t %}\nx\n{% endif %}\n",
    "  {% if t %}  \n  x\n  {% endif %}  y",
    "a  {%- if t -%}  b  {%- endif -%}  c",
    "a {{- s -}} b",
    "  {{ s }}\n  {{ n }}\n",
    "a\n  {%+ if t %}b{% endif %}",
    "a\n {% if t +%}\n b{% endif %}",
    "x {# note #} y",
    "x\n  {# note #}\ny",
    "x {#- note -#} y",
    "{# a #}\n{# b #}\nz",
    "{% raw %}{{ s }}{% endraw %}",
    "a\n  {% raw %}\n {{ x }} {% endraw %}\nb",
    "a {%- raw -%} {{ x }} {%- endraw -%} b",
    "{% raw -%}\n  x\n  {%- endraw %}\ny",
    "{{ '{{' }}{{ '}}' }}",
    "{{ {'a': {'b': 1}}.a.b }}",
    "{{ {'a': 1}}}",
    "{{'a'}}{{'b'}}",
    "{% set x = 1 %}\n\n{{ x }}",
    "\n\n  {%- set x = 1 -%}\n\n  {{ x }}",
    "{{ s\n}}",
    "{%if t%}x{%endif%}",
    "\t{% if t %}\tx{% endif %}",
    "\xa0{% if t %}x{% endif %}\u2003{%- if t %}y{% endif %}",
    "{",
    "{ {",
    "}}",
    "%}",
    "{% ",
    "{{ ",
    "{# ",
    "{% raw %}x",
    "{{ ( }}",
    "{{ ) }}",
    "{{ [1) }}",
    "{{ ! }}",
    "{{ 'a }}",
    "#}",
    "{%%}",
    "{{}}",
    "{{ 1 2 }}",
    "{% if %}x{% endif %}",
    "{% if t %}",
    "{% endif %}",
    "{% for x in l %}",
    "{% unknown %}",
    "{% else %}",
    "-%}",
    "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\n!",
    "{% for x in l %}{{ x }}\n{% endfor %}",
    "   {{- s }}",
    "{{ s -}}   \n x",
    "a{% if t %}\r\nb\r\n{% endif %}c",
    "{%- if t %}\n\n  x{%- endif %}",
    "{% if t -%}\n\n\n x {% endif %}",
    "{%-if t-%}x{%-endif-%}",
]

LITERALS = printed(r"""
    1
    1_000
    0x1F + 0o17 + 0b101
    0
    00
    007
    1.5
    1e3
    1.5e-3
    1_0.2_5
    1.
    .5
    1.e5
    'a' "b" 'c'
    'it\'s' ~ "\"q\""
    'a\nb\tc\\d\x41\u00e9\U0001F642\101\q'
    'line\
continued'
    true
    True
    false
    none
    None
    []
    [1, 'a', none, true, 1.0]
    [1,]
    ()
    (1)
    (1,)
    (1, 2)
    1, 2
    {}
    {'a': 1, "b": [2], 3: 'c', none: 1}
    {'a': 1,}
    {'a': 1, 'a': 2}
    {1: 'a', 1.0: 'b', true: 'c'}
    {[]: 1}
    "it's"
    ["it's", 'a"b', 'c\'"d', 'tab\t', '\x00', 'é', '\u200b', '\U000e0001', 'back\\slash', '\u00a0']
    9223372036854775807
    missing
    missing.x
    z.x
    z.x.y
    d.c.x.1
    l.0
    l.9
    1.0
    12345678901234567890.0
    0.1 + 0.2
    1e15
    1e16
    1e22
    123456789012345680.0
    0.0001
    0.00001
    big
    tiny
    -0.0
    1e400
    -1e400
    1e400 - 1e400
    f
    3.0
    [1e400, 2.0, 1e-7]
""")

OPERATORS = printed("""
    1 + 2 * 3
    (1 + 2) * 3
    7 / 2
    8 / 2
    7 // 2
    -7 // 2
    7 // -2
    7 % 3
    -7 % 3
    7 % -3
    7.5 % 2
    -7.5 % 2
    -7.5 // 2
    2 ** 10
    2 ** 3 ** 2
    -2 ** 2
    2 ** -1
    2 ** 0.5
    0 ** 0
    (-1) ** 5
    1 / 0
    1 // 0
    1 % 0
    0 ** -1
    1.0 / 0
    -n
    +n
    - -n
    -f
    -s
    +s
    -none
    -true
    true + true
    1 + none
    1 + 'a'
    'a' + 1
    'a' + none
    'a' + missing
    missing + 'a'
    'a' + 'b'
    [1] + [2]
    (1,) + (2,)
    [1] + (2,)
    'ab' * 3
    3 * 'ab'
    'ab' * -1
    'ab' * 0
    [0] * 3
    (1, 2) * 2
    'ab' * 1.5
    'a' - 'b'
    {} + {}
    1 ~ 'a' ~ none ~ true ~ 2.0
    'a' ~ missing ~ 'b'
    1 ~ 2 + 3
    [1] ~ {'a': 'b'}
    1 < 2
    1 < 2 < 3
    1 < 3 < 2
    1 == 1.0
    1 == true
    '1' == 1
    'a' < 'b'
    'a' < 'B'
    'é' > 'z'
    [1, 2] < [1, 3]
    [1] < [1, 0]
    1 < 'a'
    1 < 1.5
    none == none
    none < 1
    missing == missing
    missing == none
    missing < 1
    missing != 1
    1 != 2
    2 >= 2
    2 <= 1
    [1, [2]] == [1, [2]]
    [1] == (1,)
    {'a': 1, 'b': 2} == {'b': 2, 'a': 1}
    {'a': 1} == {'a': 2}
    'b' in 'abc'
    '' in 'abc'
    1 in 'abc'
    none in 'abc'
    2 in l
    '2' in l
    'b' in d
    'x' not in d
    'x' in missing
    'x' in none
    [] in d
    missing in 'abc'
    missing in l
    'a' in ('a', 'b')
    1 in range(3)
    not 1
    not not 1
    not 1 == 2
    not 'a' in 'b'
    1 and 2
    0 and 2
    0 or 'x'
    none or missing or 'end'
    1 and missing
    1 if t else 2
    1 if z else 2
    1 if z
    (1 if z) is defined
    (1 if z).x
    1 if z else 2 if t else 3
    1 if t if t
    a if b
    'a' if n > 5 and s else 'b'
    n is odd and not n is even
    1 + n is number
    -1|abs
    (-1)|abs
    'a' ~ 'b'|upper
    s|upper|lower
    n|string + '!'
    s.upper()|length
    1 is string or 's' is string
    s is string is string
    n is divisibleby 7
    n is divisibleby(2)
    n is not divisibleby 2
    n is divisibleby 0
    n is eq 7
    n is in [1, 7]
    n is in l
    l == l
    range(3) == range(3)
    d.c is mapping
    not missing
    4 not in l and 3 in l
""")

ACCESS = printed("""
    s[0]
    s[-1]
    s[99]
    s['x']
    s.x
    u[1]
    u[-1]
    u[3:6]
    u[::-1]
    s[1:4]
    s[:-1]
    s[::2]
    s[10:2:-3]
    s[5:1]
    s[-100:100]
    s[::0]
    s['a':]
    s[none:3]
    s[missing:3]
    s[1.5]
    s[true]
    l[0]
    l[-1]
    l[5]
    l['a']
    l[1:]
    l[::-1]
    l[0:9:2]
    (1, 2, 3)[1:]
    range(10)[2]
    range(10)[-1]
    range(10)[2:4]|list
    d['b']
    d.b
    d['nope']
    d.nope
    d.nope.x
    d['nope']['x']
    d[1:]
    d[[]]
    d['items']
    d.items()
    d.items()|list
    d.keys()|list
    d.values()|list
    d.keys()
    d.items()[0]
    d.items()|length
    d.items()|first
    d.items()|last
    d.get('b')
    d.get('q')
    d.get('q', 'other')
    d.get()
    d.get([])
    d.get(missing)
    d.get(key='b')
    d.copy()|length
    d.pop('b')
    d.update({})
    d.clear is defined
    l.append(1)
    l.pop()
    l.index(1)
    l.index(9)
    l.count(1)
    l.copy()
    ''.__class__
    ''.__class__.__mro__
    s.__len__
    d.__class__
    {}.__init__.__globals__
    s.nope()
    n.x
    z['a']
    missing['a']
    missing()
    n()
    s()
    d.c.x[0]
    d['c']['x'][-1]
    rows[0].name
    rows[-1]['tags'][0]
    rows[2].tags
    rows[2].tags.x
    d.ünï
    d['ünï']
    [1,2,3][0,1]
""")

STRINGS = printed(r"""
    w.strip() ~ '|'
    w.lstrip() ~ '|'
    w.rstrip() ~ '|'
    s.strip('Hd')
    s.lstrip('eH')
    s.rstrip('dl')
    s.strip(none)
    s.strip('')
    s.strip(1)
    'xxhixx'.strip('x')
    'a,b,,c'.split(',')
    'a,b,,c'.split(',', 1)
    'a,b,,c'.split(',', maxsplit=2)
    'a,b,,c'.split(',', 0)
    'a,b,,c'.split(',', -1)
    'a,b,,c'.rsplit(',', 1)
    'a,b,,c'.rsplit(',')
    'aXXbXXc'.split('XX')
    'aaa'.split('aa')
    'aaa'.rsplit('aa')
    w.split()
    w.split(none, 1)
    w.split(maxsplit=1)
    w.rsplit(none, 1)
    w.rsplit()
    ''.split()
    ''.split(',')
    'a b'.split('')
    'a'.split(1)
    lines.splitlines()
    lines.splitlines(true)
    ''.splitlines()
    'a\n'.splitlines()
    'k=v=w'.partition('=')
    'k=v=w'.rpartition('=')
    'kv'.partition('=')
    'kv'.rpartition('=')
    s.upper()
    s.lower()
    u.upper()
    u.lower()
    u.title()
    u.capitalize()
    "they're bill's 3rd friends".title()
    'hELLO wORLD'.swapcase()
    'hELLO wORLD'.capitalize()
    'ǆ'.capitalize()
    s.startswith('Hell')
    s.startswith('ell', 1)
    s.startswith(('x', 'H'))
    s.startswith('')
    s.startswith(1)
    s.startswith(['H'])
    s.startswith('World', -5)
    s.endswith('ld')
    s.endswith(('a', 'ld'))
    s.endswith('Hello', 0, 5)
    s.find('o')
    s.find('o', 5)
    s.find('zz')
    s.rfind('o')
    s.rfind('o', 0, 5)
    s.index('W')
    s.index('zz')
    s.rindex('o')
    s.find('')
    s.rfind('')
    s.count('l')
    s.count('')
    'aaaa'.count('aa')
    u.find('字')
    s.replace('l', 'L')
    s.replace('l', 'L', 2)
    s.replace('l', 'L', 0)
    s.replace('', '-')
    s.replace('', '-', 2)
    s.replace('l', 1)
    'aaa'.replace('aa', 'b')
    ', '.join(['a', 'b'])
    ', '.join([1])
    ', '.join('abc')
    ', '.join([])
    ''.join(d)
    '{} and {}'.format(1, 'a')
    '{1} {0} {x}'.format('a', 'b', x=none)
    '{} {0}'.format(1)
    '{x}'.format()
    '{}'.format()
    '{{}} {{x}}'.format()
    '{'.format()
    '}'.format()
    '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd')
    '{:5}|{:5}'.format('a', 1)
    '{:05d}|{:+d}|{: d}|{:,}|{:_}'.format(42, 42, 42, 1234567, 1234567)
    '{:x}|{:X}|{:o}|{:b}|{:#x}|{:#b}'.format(255, 255, 8, 5, 255, 5)
    '{:.2f}|{:.0f}|{:8.3f}|{:08.3f}|{:+.1f}|{:,.2f}'.format(2.675, 0.5, 3.14159, -3.14159, 2.0, 1234567.891)
    '{:e}|{:.2e}|{:E}|{:g}'.format(12345.678, 12345.678, 0.00012, 0.0001)
    '{:g}|{:g}|{:.3g}|{:G}'.format(0.00001, 1e10, 1234.5, 1e-10)
    '{:%}|{:.1%}'.format(0.25, 0.12345)
    '{}|{!r}|{!s}'.format(1.0, 'a', 'b')
    '{:.3}|{:10.2}|'.format('abcdef', 'abcdef')
    '{:d}'.format('a')
    '{:s}'.format(1)
    '{:.2f}'.format('a')
    '{:.2}|{:.5}|{:10.3}'.format(3.14159, 100.0, 2.0)
    '{}'.format([1, 'a'])
    '{:5}'.format(true)
    '{:>6}'.format(none)
    '%s is %d' % ('a', 3)
    '%s' % 'a'
    '%s' % [1]
    '%s %s' % 'a'
    '%s' % ('a', 'b')
    '%d' % 3.9
    '%d' % 'a'
    '%i|%5d|%-5d|%05d|%+d|% d' % (1, 2, 3, 4, 5, 6)
    '%x|%X|%o|%#x' % (255, 255, 8, 255)
    '%f|%.2f|%8.3f|%e|%g|%g' % (1.5, 2.675, 3.14159, 12345.678, 0.0001, 1e20)
    '%5s|%-5s|%.2s|' % ('a', 'b', 'cde')
    '%r %r' % ('a', 1)
    '%c%c' % (65, 'b')
    '%%'  % ()
    '100%%' % ()
    '%(a)s-%(b)03d' % {'a': 'x', 'b': 7}
    '%(a)s' % {'b': 1}
    '%(a)s' % 1
    '%' % 1
    '%z' % 1
    'plain' % {}
    'plain' % 1
    s.center(20) ~ '|'
    'abc'.center(6, '*')
    'abc'.center(8, '*')
    'ab'.center(5, '*')
    'ab'.ljust(5, '.') ~ 'ab'.rjust(5)
    'abc'.ljust(2)
    '42'.zfill(5) ~ '-42'.zfill(5)
    'abc'.removeprefix('a') ~ 'abc'.removesuffix('bc')
    ['12'.isdigit(), '1a'.isdigit(), ''.isdigit(), '²'.isdigit(), '²'.isdecimal(), '½'.isnumeric()]
    ['ab'.isalpha(), 'a1'.isalnum(), 'a b'.isalpha(), ' \n'.isspace(), 'é'.isascii(), '漢'.isalpha()]
    ['ab'.islower(), 'Ab'.islower(), '12'.islower(), 'AB'.isupper(), 'A b'.isupper(), 'Ab Cd'.istitle(), 'AB'.istitle()]
    'ß'.upper()
    'İ'.lower()|length
    'ΣΑΣ ΑΣ.'.lower()
    'x'.nope is defined
    'x'.upper is defined
    'x'.upper is callable
    s.upper(1)
    s.split(sep=',')
    s.replace('a')
""")

FILTERS = printed(r"""
    w|trim ~ '|'
    s|trim('Hd')
    n|trim
    none|trim
    missing|trim
    s|upper
    s|lower
    n|upper
    'hello world-foo (bar) [baz'|title
    "it's a 3rd"|title
    'hELLO'|capitalize
    ''|title
    s|replace('l', 'L')
    s|replace('l', 'L', 1)
    n|replace(7, 8)
    s|replace('', '-')
    s|replace('l')
    [1, 'a']|string
    n|string|length
    missing|string
    html|e
    html|escape|escape
    html|forceescape
    html|safe
    (html|safe) + '<b>'
    '<b>' + (html|safe)
    ('<b>'|e) ~ '<b>'
    ('<%s>'|safe) % '<b>'
    ('<{}>'|safe).format('<b>')
    '<%s>' % ('<b>'|e)
    [html|e]|join('<')
    ('<'|safe).join(['<', '>'])
    (html|e)|upper
    (html|e)|length
    (html|safe) is escaped
    html is escaped
    (html|e).replace('&', '<')
    (html|safe)[0:2] + '<'
    (html|safe) * 2 + '<'
    'a\nb\n\nc'|indent
    'a\nb\n\nc'|indent(2)
    'a\nb\n\nc'|indent(2, true)
    'a\nb\n\nc'|indent(2, true, true)
    'a\nb\n\nc'|indent('> ', first=true, blank=true)
    'a\n'|indent
    ''|indent
    ''|indent(first=true)
    'abc'|center(9) ~ '|'
    'abcdefghij'|truncate(5)
    'abcdefghij'|truncate(5, leeway=0)
    'abc def ghi jkl'|truncate(9, leeway=0)
    'abc def ghi jkl'|truncate(9, true, leeway=0)
    'abc def ghi jkl'|truncate(9, false, '…', 0)
    'abc'|truncate(1)
    'one two, three-four é'|wordcount
    'a b/c?d=é&f~'|urlencode
    {'a b': 'c/d', 'e': 1}|urlencode
    [('a', 'b c')]|urlencode
    n|urlencode
    '%s-%s'|format('a', 1)
    '%(x)s'|format(x=1)
    '%s'|format(1, x=1)
    l|join
    l|join(', ')
    words|join('-')
    rows|join(', ', attribute='name')
    'abc'|join('.')
    d|join(',')
    none|join
    missing|join
    [none, 1.0, true]|join(' ')
    s|length
    u|length
    l|length
    d|length
    n|length
    none|length
    missing|length
    l|count
    range(5)|length
    l|select|length
    l|first
    empty|first
    empty|first is defined
    s|first
    d|first
    l|last
    s|last
    d|last
    empty|last is defined
    l|map('string')|last
    l|map('string')|first
    'abc'|list
    d|list
    range(4)|list
    missing|list
    none|list
    words|map('upper')|list
    words|map('replace', 'p', 'P')|join(' ')
    rows|map(attribute='name')|list
    rows|map(attribute='tags')|list
    rows|map(attribute='tags', default='none')|list
    rows|map(attribute='tags.0')|list
    rows|map(attribute='tags.0', default='-')|list
    [[1, 2], [3, 4]]|map(attribute=1)|list
    [[1, 2], [3, 4]]|map('first')|list
    l|map('nope')|list
    l|select('odd')|list
    l|select('gt', 1)|list
    l|reject('gt', 1)|list
    mixed|select|list
    mixed|reject|list
    mixed|select('string')|list
    mixed|reject('none')|list
    rows|selectattr('age', 'gt', 26)|map(attribute='name')|list
    rows|selectattr('tags')|map(attribute='name')|list
    rows|rejectattr('tags')|map(attribute='name')|list
    rows|selectattr('city', 'equalto', 'Bern')|list|length
    rows|selectattr('city', '==', 'Bern')|list|length
    rows|selectattr('tags', 'undefined')|list|length
    rows|selectattr('name', 'in', ['Ann', 'Cy'])|map(attribute='age')|list
    rows|selectattr('nope')|list
    rows|selectattr()|list
    none|select|list
    missing|select|list
    'yes' if rows|selectattr('nope') else 'no'
    'yes' if empty|select else 'no'
    d|items|list
    missing|items|list
    l|items|list
    d|dictsort
    d|dictsort(true)
    {'a': 2, 'b': 1}|dictsort(by='value')
    {'a': 2, 'B': 1}|dictsort(false, 'key', true)
    {'a': 1}|dictsort(by='x')
    l|dictsort
    l|sort
    l|sort(reverse=true)
    words|sort
    words|sort(case_sensitive=true)
    words|sort(reverse=true)
    rows|sort(attribute='age')|map(attribute='name')|list
    rows|sort(attribute='city,age')|map(attribute='name')|list
    rows|sort(attribute='tags')
    mixed|sort
    'hello'|sort|join
    words|unique|list
    words|unique(true)|list
    rows|unique(attribute='city')|map(attribute='name')|list
    [1, 1.0, true, '1']|unique|list
    [[1]]|unique|list
    l|reverse|list
    s|reverse
    u|reverse
    d|reverse|list
    range(7)|batch(3)|list
    range(7)|batch(3, 'x')|list
    range(7)|slice(3)|list
    range(7)|slice(3, 'x')|list
    rows|groupby('city')|length
    rows|groupby('city')|map('first')|list
    rows|groupby('city', case_sensitive=true)|map(attribute=0)|list
    l|sum
    rows|sum(attribute='age')
    l|sum(start=10)
    [[1], [2]]|sum(start=[])
    words|sum
    [0.1, 0.2]|sum
    l|min
    l|max
    words|min
    words|max
    empty|min is defined
    rows|max(attribute='age')
    mixed|max
    missing|default('x')
    missing|d('x')
    none|default('x')
    none|default('x', true)
    ''|default('x', true)
    ''|default('x')
    missing|default
    missing.x|default('y')
    0|default(1, boolean=true)
    '42'|int
    '42.9'|int
    ' 42 '|int
    '-4_2'|int
    'x'|int
    'x'|int(9)
    'x'|int(default=none)
    '0x1f'|int(0, 16)
    '1f'|int(base=16)
    '0b11'|int(0, 2)
    '0o17'|int(base=8)
    2.9|int
    -2.9|int
    true|int
    none|int
    [1]|int
    missing|int
    '1e3'|int
    'inf'|int
    'nan'|int(3)
    '1__2'|int
    ''|int
    '+5'|int
    '1.5'|float
    '1e3'|float
    ' 2 '|float
    '.5'|float
    '5.'|float
    'inf'|float
    '-nan'|float
    'x'|float
    'x'|float(1.5)
    none|float
    n|float
    '1_0.5'|float
    '0x10'|float
    -7|abs
    neg|abs
    -2.5|abs
    'a'|abs
    2.5|round
    3.5|round
    -2.5|round
    2.675|round(2)
    42.55|round(1)
    42.55|round(1, 'floor')
    42.55|round(1, 'ceil')
    42.55|round(0, 'floor')
    1234.5|round(-2)
    7|round
    7|round(2)
    7|round(1, 'ceil')
    1.005|round(2)
    0.5|round
    1e300|round(2)
    'a'|round
    2.5|round(1, 'nope')
    2.5|round|int
    n|nope
    n|upper.x
    l|join(', ', 'x', 'y')
    l|join(nope=1)
    d|tojson
    d|tojson(indent=2)
    mixed|tojson
    mixed|tojson(indent=2)
    mixed|tojson(separators=(',', ':'))
    d|tojson(sort_keys=true)
    html|tojson
    u|tojson
    u|tojson(ensure_ascii=true)
    '🙂\x00\x1f\x7f\n\t\b\f"\\/'|tojson
    none|tojson
    true|tojson
    2.0|tojson
    1e16|tojson
    1e400|tojson
    (1, 'a')|tojson
    []|tojson
    {}|tojson
    [[], {}]|tojson(indent=4)
    {1: 2, none: 3, true: 4, 1.5: 5}|tojson
    missing|tojson
    d.keys()|tojson
    l|map('string')|tojson
    {'a': [1, {'b': 2}]}|tojson(indent=1)
    {'a': [1, {'b': 2}]}|tojson(indent=0)
    {'a': [1, {'b': 2}]}|tojson(indent='\t')
    (html|safe)|tojson
    namespace(a=1)|tojson
    range(3)|tojson
    d.items()|list|tojson
    s|tojson|length
    [1,2]|tojson ~ 'x'
    s|wordcount
    l|first|string
    words|map('length')|sum
    words|map('upper')|map('lower')|select('eq', 'apple')|list|length
    words|select('in', ['fig'])|list
    'a,b'.split(',')|map('trim')|list
""")

TESTS = printed("""
    [missing is defined, z is defined, s is defined, d.b is defined, d.q is defined]
    [missing is undefined, z is undefined]
    [z is none, missing is none, 0 is none, none is none]
    [t is boolean, 1 is boolean, z is boolean]
    [true is true, 1 is true, false is false, 0 is false, t is true]
    [1 is integer, true is integer, 1.0 is integer, '1' is integer]
    [1.0 is float, 1 is float, f is float]
    [1 is number, 1.5 is number, true is number, '1' is number, none is number]
    [s is string, 1 is string, (s|safe) is string, missing is string]
    [d is mapping, l is mapping, s is mapping, namespace() is mapping, d.items() is mapping]
    [l is sequence, s is sequence, d is sequence, (1,) is sequence, 1 is sequence, z is sequence, missing is sequence]
    [d.items() is sequence, d.keys() is sequence, range(2) is sequence, l|map('string') is sequence]
    [l is iterable, s is iterable, d is iterable, 1 is iterable, z is iterable, missing is iterable]
    [d.items() is iterable, range(2) is iterable, (l|map('string')) is iterable, namespace() is iterable]
    [range is callable, s.upper is callable, s is callable, namespace is callable, raise_exception is callable]
    [raise_exception is defined, strftime_now is defined, range is defined, nope is defined]
    ['abc' is lower, 'Abc' is lower, 'ABC' is upper, '12' is upper, 1 is lower]
    [1 is odd, 2 is odd, 2 is even, 3 is even, -1 is odd, 2.0 is even, true is odd]
    [6 is divisibleby 3, 7 is divisibleby 3, 6.0 is divisibleby(1.5)]
    [1 is eq 1, 1 is equalto 2, 1 is ne 2, 1 is sameas 1, true is sameas true, 1 is sameas true]
    [1 is lt 2, 2 is gt 1, 1 is le 1, 1 is ge 2, 1 is lessthan 2, 1 is greaterthan 2]
    [1 is in [1, 2], 'a' is in 'abc', 'b' is in d, 3 is not in [1]]
    ['upper' is filter, 'nope' is filter, 'odd' is test, 'nope' is test]
    s is nope
    s is not string
    not s is string
    l is eq [3, 1, 2]
    n is divisibleby
    missing is odd
    missing is lower
    z is string or z is none
    d.c.x is sequence and d.c.x is not string
""")

STATEMENTS = [
    "{% for x in l %}{{ x }},{% endfor %}",
    "{% for x in empty %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}"
    "{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is undefined }} {% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }} {% endfor %}",
    "{% for x in l %}{{ loop.nope }}{{ loop }}|{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|items %}{{ k }};{% endfor %}",
    "{% for k in d %}{{ k }};{% endfor %}",
    "{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }} {% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for c in 'aé🙂' %}{{ c }}.{% endfor %}",
    "{% for x in missing %}a{% else %}b{% endfor %}",
    "{% for x in none %}{% endfor %}",
    "{% for x in 5 %}{% endfor %}",
    "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.last }} {% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in l if loop %}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}none{% endfor %}",
    "{% break %}",
    "{% continue %}",
    "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% for x in l %}{% for y in 'ab' %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
    "{% for x in tree recursive %}{{ x.n }}{{ loop.depth }}{% if x.kids %}({{ loop(x.kids) }}){% endif %}"
    "{% endfor %}",
    "{% for x in l %}{{ loop(l) }}{% endfor %}",
    "{% for x in l %}{% endfor %}{{ x }}{{ loop }}",
    "{% set ns = namespace(stop=false) %}{% for x in [1, 2, 3] if not ns.stop %}{{ x }}"
    "{% set ns.stop = x == 2 %}{% endfor %}",
    "{% set it = l|map('string') %}{% for x in it %}{{ x }}{% endfor %}{% for x in it %}{{ x }}{% else %}gone"
    "{% endfor %}",
    "{% set it = l|select %}{{ it|first }}{{ it|list }}{{ it|list }}",
    "{{ l|select|list }}",
    "{% if z %}a{% elif n %}b{% else %}c{% endif %}",
    "{% if z %}a{% elif z %}b{% else %}c{% endif %}",
    "{% if missing %}a{% endif %}",
    "{% if missing.x %}a{% endif %}",
    "{% if 1, 2 %}a{% endif %}",
    "{% if t %}a{% else %}b{% elif %}c{% endif %}",
    "{% set x = 1 %}{{ x }}",
    "{% set x, y = 1, 2 %}{{ x }}{{ y }}",
    "{% set x, y = [1] %}",
    "{% set (x, y) = 'ab' %}{{ x }}{{ y }}",
    "{% set x = 1, 2 %}{{ x }}",
    "{% set x %}a{{ n }}b{% endset %}{{ x }}|{{ x is string }}",
    "{% set x | upper | trim %} a {% endset %}{{ x }}|",
    "{% set x = 1 %}{% for i in l %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for i in l %}{% if loop.first %}{% set x = 1 %}{% endif %}{{ x }}|{% endfor %}{{ x }}",
    "{% set ns = namespace(a=1) %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}"
    "{{ ns['a'] }}",
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}",
    "{% set ns = namespace() %}{% set ns.x, y = 1, 2 %}{{ ns.x }}{{ y }}",
    "{% set d.x = 1 %}",
    "{% set nope.x = 1 %}",
    "{% set l[0] = 1 %}",
    "{% set true = 1 %}",
    "{% set 1 = 1 %}",
    "{% set x.y.z = 1 %}",
    "{% set ns = namespace(a=1) %}{{ ns }}{{ ns == ns }}{{ ns == namespace(a=1) }}",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y }}|",
    "{% set x = namespace %}{{ x(a=2).a }}",
    "{% set range = 5 %}{{ range }}",
    "{% set s = s ~ '!' %}{{ s }}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% with a = 1 %}{% with b = a %}{{ b }}{% endwith %}{% endwith %}",
    "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c=4) }} "
    "{{ m(b=5, a=6) }}",
    "{% macro m(a) %}[{{ a }}]{{ a is defined }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{{ m(1) }}",
    "{% macro m() %}x{% endmacro %}{{ m(q=1) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, k=3) }}",
    "{% macro m(a) %}{{ varargs|length }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}",
    "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}{{ m(1, *[5]) }}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro outer() %}{% macro inner() %}i{% endmacro %}o{{ inner() }}{% endmacro %}{{ outer() }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}",
    "{% macro m() %}{% set x = 9 %}{% endmacro %}{{ m() }}{{ x }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{{ m(1) }}{% macro m(a) %}{{ a }}{% endmacro %}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m('<') | e }}{{ m.name }}{{ m is callable }}{{ m('x') is string }}",
    "{% macro box(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call box('b') %}in {{ n }}{% endcall %}",
    "{% macro each(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) each(l) %}("
    "{{ x }}){% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% macro m(caller) %}{{ caller() }}{% endmacro %}{% call m() %}y{% endcall %}",
    "{% call n %}{% endcall %}",
    "{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m(x) %}{% for i in l %}{{ x }}{{ i }}{% endfor %}{% endmacro %}{{ m('a') }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% filter upper %}a{{ s }}{% endfilter %}",
    "{% filter trim|replace('a', 'b') %} aa {% endfilter %}",
    "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% generation %}x{{ n }}{% endgeneration %}",
    "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}",
    "{%- generation -%} x {%- endgeneration -%} y",
    "{% print 1, 'a' %}",
    "{% print s %}",
    "{% if t: %}x{% endif %}",
    "{{ range(3)|list }}{{ range(1, 4)|list }}{{ range(5, 0, -2)|list }}{{ range(3) }}{{ range(1, 9, 2) }}"
    "{{ range(0)|list }}",
    "{{ range() }}",
    "{{ range('a') }}",
    "{{ range(1, 2, 0) }}",
    "{{ range(1000000) }}",
    "{{ range(1.5) }}",
    "{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}{{ dict({'y': 2}, z=3) }}{{ dict() }}",
    "{{ dict(1) }}",
    "{{ dict([1]) }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}"
    "{{ c.next() }}",
    "{{ cycler() }}",
    "{% set j = joiner('; ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% set j = joiner() %}{{ j() }}a{{ j() }}b",
    "{{ raise_exception('no ' ~ n) }}",
    "{% if z %}{{ raise_exception('x') }}{% endif %}ok",
    "{{ raise_exception() }}",
    "{{ raise_exception(n) }}",
    "{{ strftime_now('%Y-%m-%d %H:%M:%S') }}",
    "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%A, %B %d, %Y') }}",
    "{{ strftime_now('%y %j %p %I %a %w %u %e %-d %-m %F %T %R %D %%') }}",
    "{{ strftime_now() }}",
    "{{ strftime_now(1) }}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% from 'x' import y %}",
    "{% do l %}",
    "{% set a = b = 1 %}",
    "{{ a = 1 }}",
    "{{ f(a=1, 2) }}",
    "{{ dict(a=1, **{'b': 2}) }}",
    "{{ [1, 2, 3]|map('string')|join }}",
    "{% set x = [] %}{% set x = x + [1] %}{% set x = x + [2] %}{{ x }}",
    "{% set x = {'a': 1} %}{{ dict(x, b=2) }}",
    "{% set x = dict(d, **{'b': 'new'}) %}{{ x.b }}{{ d.b }}",
    "{{ {'a': s}['a'] }}{{ {'a': s}.a[0] }}",
    "{%- for m in rows %}\n{%- if loop.first and m.age > 18 %}\nFirst: {{ m.name }}\n{%- else %}\n- "
    "{{ m.name|upper }}\n{% endif %}\n{%- endfor %}\n",
    "{% for g, xs in rows|groupby('city') %}{{ g }}:{{ xs|map(attribute='name')|join(',') }};{% endfor %}",
    "{% for x in l|sort %}{% if not loop.first %}, {% endif %}{{ x }}{% endfor %}",
    "{% for r in range(7)|batch(3) %}{{ r|join }}|{% endfor %}",
    "{{ 'a' if l|length > 2 else 'b' }}{{ (l|length > 2)|string|lower }}",
    "{% if d is mapping and 'b' in d and d['b'] is not none %}y{% endif %}",
    "{% set f = 'x{}y'.format %}{{ f(1) }}",
    "{% set g = d.get %}{{ g('b') }}",
    "{{ loop is defined }}",
    "{{ caller is defined }}",
]

SNIPPETS = list(dict.fromkeys(WHITESPACE + LITERALS + OPERATORS + ACCESS + STRINGS + FILTERS + TESTS + STATEMENTS))
