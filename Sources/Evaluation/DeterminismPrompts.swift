// The prompts that every machine can run: several languages, code, and lengths around the borders of blocks and tiles.

public import Primitives
public import Tokenization

/// A prompt in tokens, and what to call it.
public struct DeterminismPrompt: Sendable, Equatable {
    public var name: String
    /// Not empty.
    public var tokenIDs: [TokenID]

    public init(name: String, tokenIDs: [TokenID]) {
        self.name = name
        self.tokenIDs = tokenIDs
    }

    /// The fixed prompts, each of exactly its length, which is cut to `limit` tokens.
    public static func builtIn(_ tokenizer: Tokenizer, limit: Int) -> [DeterminismPrompt] {
        texts.map { name, count, text in
            let count = max(1, min(count, limit))
            var repeated = text, tokenIDs = tokenizer.encode(text, addSpecialTokens: true)
            // A short text is said again and again; every time adds a token at least.
            while tokenIDs.count < count {
                repeated += "\n" + text
                tokenIDs = tokenizer.encode(repeated, addSpecialTokens: true)
            }
            return DeterminismPrompt(name: name, tokenIDs: Array(tokenIDs.prefix(count)))
        }
    }

    private static let texts: [(name: String, count: Int, text: String)] = [
        ("one token", 1, "Hello"),
        ("two tokens", 2, "The capital"),
        ("German", 15, "Der Fährmann setzte uns über den Fluss, obwohl das Wasser schon über die Ufer trat."),
        ("French", 16, "Où est-ce qu'on achète des œufs frais, à cette heure-ci, près de la gare ?"),
        ("Chinese", 17, "春天来了，河边的柳树发出新芽，孩子们在草地上放风筝，老人们坐在长椅上聊天。"),
        ("Arabic", 31, "كان البحّار يعرف كل نجمة في السماء، ويحكي لأحفاده كيف تقود النجوم السفن إلى الميناء."),
        ("Russian", 33, "Поезд опоздал на два часа, и на перроне не осталось никого, кроме смотрителя и кошки."),
        ("Japanese", 64, "駅前の小さな喫茶店では、毎朝七時になると、店主がコーヒー豆を挽く音が聞こえてくる。"),
        ("emoji and spaces", 100, "🦜🦜  ok\t\tok\n\n\n   …  𝒳² ≠ ∅\u{200D}👩🏽‍🚀  naïve café 3.14159e-10 <|no token|> \\n"),
        ("Python", 129, python),
        ("JSON", 257, json),
        ("English", 700, english),
    ]

    private static let python = """
        def primes(limit):
            \"\"\"Yield the primes below limit.\"\"\"
            composite = bytearray(limit)
            for number in range(2, limit):
                if composite[number]:
                    continue
                yield number
                for multiple in range(number * number, limit, number):
                    composite[multiple] = 1

        if __name__ == "__main__":
            print(sum(primes(2_000_000)))
        """

    private static let json = """
        {"orders": [{"id": 48213, "customer": {"name": "A. Lindqvist", "country": "SE"}, "items": [{"sku": "KX-200", \
        "quantity": 3, "price": 19.95}, {"sku": "KX-377", "quantity": 1, "price": 149.0}], "shipped": null}, \
        {"id": 48214, "customer": {"name": "B. Okafor", "country": "NG"}, "items": [], "shipped": true}]}
        """

    private static let english = """
        The lighthouse had been empty for eleven years when the letter came. It was addressed to the keeper, in a \
        hand that leaned so far to the right that the words seemed to be running away from the stamp, and since \
        there was no keeper the postman gave it to the baker, who knew everybody's business and could be trusted to \
        guess at the rest. She read it twice over the counter. Somebody in a town that nobody had heard of wanted to \
        know whether the lamp still turned, because his grandfather had built the clockwork, and had left in his \
        will a box of brass wheels with a note: to be sent when the light goes out.

        Nobody could say when it had gone out. Ships had stopped asking. There was a mast now on the hill behind the \
        harbour that blinked red all night and told them, in a language of their own, where the rocks were; and the \
        children, who had never seen the beam go round, thought that the tower was a silo, or the last piece of a \
        castle. So on Sunday the baker took the key from the town hall, two sons of the fishmonger and a can of oil, \
        and went up the four hundred and six steps to have a look.
        """
}
