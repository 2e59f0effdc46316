use std::collections::BTreeMap;

use super::*;
use crate::manifest::spelling::{Suggestion, folded};

/// What people call columns that are none of ours, by language. A word that is taken for a field costs money; one that is
/// reported as a slip of the pen costs trust.
#[rustfmt::skip]
const ORDINARY: [(Language, &[&str]); 9] = [
    (Language::English, &[
        "notes", "note", "title", "name", "scene", "scene number", "shot", "shot number", "author", "date", "description",
        "status of review", "comment", "comments", "category", "tags", "keywords", "language", "lang", "size", "large",
        "width", "height", "depth", "weight", "price", "cost", "budget", "client", "customer", "project", "product",
        "campaign", "channel", "style", "mood", "camera", "lens", "motion", "music", "sound", "voice", "voiceover", "script",
        "location", "direction", "position", "version", "revision", "solution", "option", "order", "index", "number", "no.",
        "#", "page", "page url", "website", "link", "url", "video", "video url", "video link", "thumbnail", "thumbnail url",
        "cover", "logo", "icon", "avatar", "alt text", "image title", "image alt", "image prompt", "image name", "image id",
        "image size", "image width", "negative prompt", "seed", "model", "fps", "frame rate", "aspect ratio", "format",
        "quality", "approved", "approved by", "prompt author", "prompt required", "deadline", "due date", "created at",
        "time", "times", "start time", "end time", "fallback", "fallback url", "feedback", "playback", "callsign", "lengthwise",
        "identity", "idea", "ideas", "in", "imp", "build", "second name", "imagery", "promo", "promo code", "last frame",
    ]),
    (Language::ChineseSimplified, &[
        "备注", "标题", "名称", "序号", "场景", "镜头", "镜头号", "作者", "日期", "描述", "画面描述", "说明", "类别", "标签", "关键词",
        "语言", "大小", "宽度", "高度", "视频宽度", "视频高度", "价格", "费用", "预算", "客户", "项目", "产品", "风格", "音乐", "配音",
        "脚本", "文案", "地点", "时间", "开始时间", "结束时间", "版本", "状态说明", "链接", "网址", "视频", "视频链接", "影片链接",
        "商品链接", "封面", "缩略图", "图片名称", "图片标题", "图片编号", "图片说明", "图片来源", "图片大小", "图片提示词", "反向提示词",
        "负面提示词", "提示", "种子", "模型", "帧率", "比例", "质量", "负责人", "审核人", "创建时间", "截止日期", "尾帧", "尾帧图片",
    ]),
    (Language::ChineseTraditional, &[
        "備註", "標題", "名稱", "序號", "場景", "鏡頭", "作者", "日期", "描述", "說明", "類別", "標籤", "關鍵字", "語言", "尺寸",
        "寬度", "高度", "影片寬度", "影片高度", "價格", "預算", "客戶", "專案", "產品", "風格", "音樂", "腳本", "地點", "時間",
        "連結", "網址", "影片", "影片連結", "影片網址", "影片鏈接", "封面", "縮圖", "圖片名稱", "圖片標題", "圖片說明", "圖片提示詞",
        "負面提示詞", "模型", "幀率", "比例", "品質", "負責人", "建立時間", "截止日期",
    ]),
    (Language::Japanese, &[
        "備考", "メモ", "タイトル", "名前", "番号", "シーン", "カット", "作者", "日付", "説明", "コメント", "カテゴリ", "タグ", "キーワード",
        "言語", "サイズ", "幅", "高さ", "動画の高さ", "価格", "予算", "顧客", "プロジェクト", "商品名", "スタイル", "音楽", "台本", "場所",
        "時間", "開始時間", "発生時間", "撮影時間", "リンク", "動画", "動画URL", "動画リンク", "画像名", "画像タイトル", "画像プロンプト",
        "ネガティブプロンプト", "モデル", "フレームレート", "比率", "品質", "担当者", "作成日時", "締切", "画面URL", "再生回数",
    ]),
    (Language::Korean, &[
        "비고", "메모", "제목", "이름", "번호", "장면", "컷", "작성자", "날짜", "설명", "댓글", "카테고리", "태그", "키워드", "언어", "크기",
        "너비", "높이", "깊이", "영상 높이", "가격", "예산", "고객", "프로젝트", "프로그램", "제품", "스타일", "음악", "대본", "장소", "시간",
        "시작 시간", "생성 시간", "링크", "영상", "영상 URL", "비디오 링크", "이미지 이름", "이미지 제목", "이미지 프롬프트", "부정 프롬프트",
        "모델", "프레임", "비율", "품질", "담당자", "이메일", "마감일", "회사 주소",
    ]),
    (Language::Spanish, &[
        "notas", "título", "nombre", "número", "escena", "toma", "autor", "fecha", "descripción", "comentario", "categoría",
        "etiquetas", "palabras clave", "idioma", "tamaño", "ancho", "alto", "longitud", "latitud", "precio", "presupuesto",
        "cliente", "proyecto", "producto", "estilo", "música", "guion", "lugar", "dirección", "tiempo", "hora de inicio",
        "enlace", "enlace de la página", "URL de la página", "vídeo", "enlace del vídeo", "URL del vídeo", "miniatura",
        "nombre de la imagen", "prompt de imagen", "prompt negativo", "modelo", "calidad", "responsable", "estado", "solución",
    ]),
    (Language::German, &[
        "Notizen", "Titel", "Name", "Nummer", "Nr.", "Szene", "Einstellung", "Autor", "Datum", "Beschreibung", "Bemerkung",
        "Kommentar", "Kategorie", "Schlagwörter", "Sprache", "Größe", "Breite", "Höhe", "Preis", "Kosten", "Budget", "Kunde",
        "Projekt", "Produkt", "Stil", "Musik", "Drehbuch", "Ort", "Richtung", "Zeit", "Startzeit", "Laufzeit", "Link",
        "Seiten-URL", "Video", "Video-URL", "Link zum Video", "Vorschaubild", "Bildtitel", "Bildname", "Bildgröße", "Bilder",
        "Bild-ID", "Bild-Prompt", "Negativprompt", "Modell", "Qualität", "Verantwortlich", "Erstellt am", "Lösung",
    ]),
    (Language::French, &[
        "remarques", "titre", "nom", "numéro", "scène", "plan", "auteur", "date", "description", "commentaire", "catégorie",
        "étiquettes", "mots-clés", "langue", "taille", "largeur", "hauteur", "prix", "budget", "client", "projet", "produit",
        "style", "musique", "scénario", "lieu", "direction", "heure", "temps", "lien", "lien de la page", "URL de la page",
        "vidéo", "lien de la vidéo", "URL vidéo", "vignette", "titre de l'image", "nom de l'image", "prompt d'image",
        "prompt négatif", "modèle", "qualité", "responsable", "date de création", "échéance", "solution",
    ]),
    (Language::Portuguese, &[
        "notas", "observações", "título", "nome", "número", "cena", "tomada", "autor", "data", "descrição", "comentário",
        "categoria", "etiquetas", "palavras-chave", "idioma", "tamanho", "largura", "altura", "preço", "orçamento", "cliente",
        "projeto", "produto", "estilo", "música", "roteiro", "local", "direção", "tempo", "hora de início", "link",
        "link da página", "URL da página", "vídeo", "link do vídeo", "miniatura", "nome da imagem", "prompt da imagem",
        "prompt negativo", "modelo", "qualidade", "responsável", "prazo", "solução",
    ]),
];

#[test]
fn ordinary_words_are_neither_fields_nor_slips() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (language, words) in ORDINARY {
        for word in words {
            count += 1;
            let field = Field::of_name(word);
            let near = Suggestion::near(word, |_| true);
            if field.is_some() || near.is_some() {
                wrong.push(format!("{language:?}: {word}: {field:?} {near:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 450, "{count}");
}

#[test]
fn the_table_is_in_the_order_of_the_fields_and_languages_and_says_nothing_twice() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (at, (field, languages)) in NAMES.iter().enumerate() {
        assert_eq!((*field as usize, Field::ALL[at]), (at, *field));
        let order: Vec<u8> = languages.iter().map(|(language, _)| *language as u8).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7, 8], "{field}");
        assert_eq!(languages[0].1[0].replace(' ', "_"), field.as_str());
        for (language, names) in *languages {
            for name in *names {
                assert_eq!(Field::of_name(name), Some(*field), "{name}");
                let place = format!("{field}, {language:?}: {name}");
                if let Some(first) = known.insert(folded(name), place.clone()) {
                    panic!("{place} says the same as {first}");
                }
            }
        }
    }
}

#[test]
fn what_stands_beside_a_name_is_none_itself() {
    let hints = HINTS.iter().flat_map(|(_, words)| words.iter());
    for word in hints.chain(&MARKS) {
        let is_seconds = ["seconds", "segundos", "Sekunden", "secondes"].contains(word);
        let expected = is_seconds.then_some(Field::Duration);
        assert_eq!(Field::of_name(word), expected, "{word}");
    }
}

/// Who adds a name finds out here whether words beside it need a mention.
#[test]
fn lookalikes_are_one_slip_away() {
    for word in LOOKALIKES {
        assert_eq!(Field::of_name(word), None, "{word}");
        let is_near = |(_, languages): &(Field, &[InLanguage])| {
            let names = languages.iter().flat_map(|(_, names)| names.iter());
            names
                .map(|name| strsim::damerau_levenshtein(&folded(name), &folded(word)))
                .any(|distance| distance == 1)
        };
        assert!(NAMES.iter().any(is_near), "{word} needs no mention");
    }
}
