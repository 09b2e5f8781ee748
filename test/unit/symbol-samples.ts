import type { Grammar } from '../../server/src/actions/symbols/languages.ts';

interface Sample {
  readonly grammar: Grammar;
  readonly title: string;
  readonly text: string;
  /** `lines kind name | signature`. */
  readonly symbols: readonly string[];
  /** Number of occurrences of some names; negative if they are not imported. */
  readonly uses: Readonly<Record<string, number>>;
}

/** A sample of every definition that a language has. */
export const samples: readonly Sample[] = [
  {
    grammar: 'python',
    title: 'classes, methods, functions, constants',
    text: `from store import Store, other as alias
API_KEY = "secret"
class Shop(Store):
    """doc"""
    @property
    def name(self) -> str:
        def inner(): pass
        return API_KEY
    async def sell(self, item, price=2): pass

def free(a: int,
         b) -> int:
    return Store().name
`,
    symbols: [
      '2-2 variable API_KEY | API_KEY',
      '3-9 class Shop | class Shop(Store)',
      '6-8 method name | def name(self) -> str',
      '9-9 method sell | async def sell(self, item, price=2)',
      '11-13 function free | def free(a: int, b) -> int',
    ],
    uses: { Store: 3, API_KEY: -1, other: 1 },
  },
  {
    grammar: 'javascript',
    title: 'arrow functions, classes, private methods',
    text: `import { helper } from './helper.js';
export const add = (x) => x + 1;
const token = 'secret', more = 2;
export default class Foo extends Bar { #hidden() {} get(y) { const local = () => 1; return helper(y) } }
function* all() {}
`,
    symbols: [
      '2-2 function add | const add = (x)',
      '3-3 variable token | const token',
      '3-3 variable more | more',
      '4-4 class Foo | class Foo extends Bar',
      '4-4 method #hidden | #hidden()',
      '4-4 method get | get(y)',
      '5-5 function all | function* all()',
    ],
    uses: { helper: 2, Bar: -1 },
  },
  {
    grammar: 'typescript',
    title: 'types, interfaces, enums, abstract classes, namespaces',
    text: `import type { Port } from './port.ts';
export interface Runner<T> { run(a: T): void }
export type Name = string;
enum Colour { Red }
abstract class Base<T> extends Port<T> implements Runner<T> {
  abstract go(): Name;
  constructor(private a: number) { super() }
  stop(): Name { return <Name>'a' }
}
export async function load(a: number, b: { c: string }): Promise<void> {}
namespace Inner { export const z = 1 }
declare function outside(a: string): void;
`,
    symbols: [
      '2-2 interface Runner | interface Runner<T>',
      '2-2 method run | run(a: T): void',
      '3-3 type Name | type Name = string',
      '4-4 enum Colour | enum Colour',
      '5-9 class Base | abstract class Base<T> extends Port<T> implements Runner<T>',
      '6-6 method go | abstract go(): Name',
      '7-7 method constructor | constructor(private a: number)',
      '8-8 method stop | stop(): Name',
      '10-10 function load | async function load(a: number, b: { c: string }): Promise<void>',
      '11-11 module Inner | namespace Inner',
      '12-12 function outside | function outside(a: string): void',
    ],
    uses: { Port: 2, Name: -3 },
  },
  {
    grammar: 'tsx',
    title: 'components',
    text: `import { Icon } from './icon.tsx';
export function App({ a }: Props) { return <Icon name={a} /> }
`,
    symbols: ['2-2 function App | function App({ a }: Props)'],
    uses: { Icon: 2, Props: -1 },
  },
  {
    grammar: 'go',
    title: 'functions, methods, types',
    text: `package a
const Max = 3
type Shop struct { Name string }
type Seller interface { Sell() error }
func (s *Shop) Sell() error { return nil }
func main() { fmt.Println(Shop{}.Name) }
`,
    symbols: [
      '2-2 variable Max | Max',
      '3-3 type Shop | Shop struct { Name string }',
      '4-4 interface Seller | Seller interface { Sell() error }',
      '5-5 method Sell | func (s *Shop) Sell() error',
      '6-6 function main | func main()',
    ],
    uses: { Println: 1, Shop: 2 },
  },
  {
    grammar: 'ruby',
    title: 'modules, classes, methods',
    text: `module Shop
  LIMIT = 3
  class Seller < Base
    def sell(item)
      run item
    end
    def self.make; end
  end
end
`,
    symbols: [
      '1-9 module Shop | module Shop',
      '2-2 variable LIMIT | LIMIT',
      '3-8 class Seller | class Seller < Base',
      '4-6 method sell | def sell(item)',
      '7-7 method make | def self.make; end',
    ],
    uses: { Base: 1, run: 1 },
  },
  {
    grammar: 'rust',
    title: 'items',
    text: `pub struct Shop<T> { a: T }
enum Kind { A, B }
trait Sell { fn sell(&self) -> u8; }
impl Sell for Shop<u8> { fn sell(&self) -> u8 { self.a } }
pub fn free(a: u8) -> u8 { a }
const LIMIT: u8 = 3;
mod inner { fn deep() {} }
`,
    symbols: [
      '1-1 class Shop | pub struct Shop<T>',
      '2-2 enum Kind | enum Kind',
      '3-3 interface Sell | trait Sell',
      '3-3 method sell | fn sell(&self) -> u8',
      '4-4 method sell | fn sell(&self) -> u8',
      '5-5 function free | pub fn free(a: u8) -> u8',
      '6-6 variable LIMIT | const LIMIT: u8',
      '7-7 module inner | mod inner',
      '7-7 method deep | fn deep()',
    ],
    uses: { Shop: 1, Sell: 1 },
  },
  {
    grammar: 'java',
    title: 'classes, records, methods',
    text: `package a;
public class Shop extends Base {
  enum Kind { X }
  Shop(int x) {}
  public static <T> void sell(T t) throws IOException { new Shop(1); }
}
interface Seller { void go(); }
record Item(int price) {}
`,
    symbols: [
      '2-6 class Shop | public class Shop extends Base',
      '3-3 enum Kind | enum Kind',
      '4-4 method Shop | Shop(int x)',
      '5-5 method sell | public static <T> void sell(T t) throws IOException',
      '7-7 interface Seller | interface Seller',
      '7-7 method go | void go()',
      '8-8 class Item | record Item(int price)',
    ],
    uses: { Base: 1, IOException: 1 },
  },
  {
    grammar: 'cpp',
    title: 'C and C++',
    text: `#define SQUARE(x) ((x) * (x))
namespace shop {
class Seller : public Base { public: void sell(int a) const; };
void Seller::sell(int a) const { run(a); }
}
static int *find(int a) { return 0; }
typedef struct Item { int a; } Item;
`,
    symbols: [
      '1-2 function SQUARE | #define SQUARE(x) ((x) * (x))',
      '2-5 module shop | namespace shop',
      '3-3 class Seller | class Seller : public Base',
      '3-3 method sell | void sell(int a) const',
      '4-4 method sell | void Seller::sell(int a) const',
      '6-6 function find | static int *find(int a)',
      '7-7 class Item | struct Item',
      '7-7 type Item | typedef struct Item',
    ],
    uses: { Base: 1, run: 1 },
  },
];
