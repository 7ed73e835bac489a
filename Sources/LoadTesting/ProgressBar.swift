// How progress looks on a terminal.

public enum ProgressBar {
    /// ` 45% |█████████░░░░░░░░░░░|`
    ///
    /// - Parameter share: 0 to 1.
    public static func text(share: Double) -> String {
        let width = 20
        let filled = max(0, min(width, Int(share * Double(width))))
        let percent = FixedDecimal.text(share * 100, fractionDigits: 0)
        let blank = String(repeating: " ", count: max(0, 3 - percent.count))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        return "\(blank)\(percent)% |\(bar)|"
    }

    /// `mm:ss`, or `h:mm:ss`.
    public static func clock(_ seconds: Double) -> String {
        guard seconds < 1e6 else { return "?" }
        let whole = Int(seconds)
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }
        let minutes = "\(two(whole / 60 % 60)):\(two(whole % 60))"
        return whole < 3600 ? minutes : "\(whole / 3600):\(minutes)"
    }
}
