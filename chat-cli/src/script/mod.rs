//! Scripts with expectations.
pub(crate) const HELP: &str = "";
pub(crate) async fn run(
    _: &std::path::Path,
    _: &crate::program::target::Target,
) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
