//! Which row groups of Parquet files is a dataset made of?

use crate::{Dataset, IoError, Result, member::Member};

impl Dataset {
    /// The dataset of these row groups alone, in the order wanted; one that is named twice comes twice. They
    /// are counted from 0 over all files, as [`parquet_metadata`](crate::parquet_metadata) lists them, or
    /// over those that were chosen before. Its statistics are those of the row groups.
    ///
    /// # Errors
    /// When a row group does not exist, or the files are not Parquet.
    pub fn with_row_groups(&self, wanted: &[usize]) -> Result<Self> {
        let mut all = Vec::new();
        for member in self.members() {
            let Some(file) = member.source.as_parquet() else {
                let reason = format!("are of Parquet files, not of {}", self.format().name());
                return Err(IoError::option("row_groups", reason));
            };
            all.extend(file.row_groups().map(|group| (member, file, group)));
        }
        let mut members: Vec<Member> = Vec::new();
        let mut rest = wanted;
        while let Some(number) = rest.first() {
            let Some((member, file, _)) = all.get(*number) else {
                let groups = if all.len() == 1 { "is 1".to_owned() } else { format!("are {}", all.len()) };
                let reason = format!("has {number}, but there {groups}, counted from 0");
                return Err(IoError::option("row_groups", reason));
            };
            // Those of one file that come one after the other are read as one file.
            let of_file = rest.iter().map_while(|number| {
                all.get(*number).filter(|(own, ..)| std::ptr::eq(*own, *member)).map(|(.., group)| *group)
            });
            let groups: Vec<usize> = of_file.collect();
            rest = rest.get(groups.len()..).unwrap_or_default();
            members.push(member.over(file.with_row_groups(groups)));
        }
        Ok(self.with_members(members))
    }
}
