import Crypto
import Foundation

/// What makes a report handier where scripts run: filter, sorting, copying. All else works without. No
/// `<`, no `&`: the page is XML as well as HTML.
enum ReportScript {
    /// Nothing is fetched, and no other script runs, should one get in.
    static var policy: String {
        let digest = Data(SHA256.hash(data: Data(text.utf8))).base64EncodedString()
        return "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            + "script-src 'sha256-\(digest)'"
    }

    static let text = """
        (function(){"use strict";
        var doc=document;
        doc.querySelectorAll(".js").forEach(function(e){e.hidden=false;});
        doc.querySelectorAll("button.copy").forEach(function(button){
          button.addEventListener("click",function(){
            var range=doc.createRange(),chosen=getSelection();
            range.selectNodeContents(button.parentNode.querySelector("pre"));
            chosen.removeAllRanges();chosen.addRange(range);
            button.textContent=doc.execCommand("copy")?"copied":"press Ctrl-C";
          });
        });
        var table=doc.getElementById("answers");
        if(!table){return;}
        var body=table.tBodies[0],rows=Array.from(body.rows);
        var search=doc.getElementById("search"),kind=doc.getElementById("kind");
        var count=doc.getElementById("count"),texts=null;
        function filter(){
          var words=search.value.toLowerCase().split(" ").filter(Boolean),wanted=kind.value,shown=0;
          if(!texts){texts=rows.map(function(r){return r.textContent.toLowerCase();});}
          rows.forEach(function(row,i){
            var ok=wanted===""?true:row.classList.contains(wanted);
            if(ok){ok=words.every(function(w){return texts[i].includes(w);});}
            row.hidden=!ok;
            if(ok){shown+=1;}
          });
          count.textContent=shown===rows.length?"":shown+" of "+rows.length;
        }
        search.addEventListener("input",filter);
        kind.addEventListener("change",filter);
        function key(row,column){
          var cell=row.cells[column],value=cell.getAttribute("data-v");
          if(value===null){return cell.textContent.trim().toLowerCase();}
          return value===""?-Infinity:Number(value);
        }
        Array.from(table.tHead.rows[0].cells).forEach(function(head,column){
          head.classList.add("sort");
          head.addEventListener("click",function(){
            var down=head.getAttribute("aria-sort")==="ascending",sign=down?-1:1;
            Array.from(table.tHead.rows[0].cells).forEach(function(h){h.removeAttribute("aria-sort");});
            head.setAttribute("aria-sort",down?"descending":"ascending");
            var order=rows.map(function(r,i){return [key(r,column),i];});
            order.sort(function(a,b){
              return a[0]>b[0]?sign:b[0]>a[0]?-sign:a[1]-b[1];
            });
            var part=doc.createDocumentFragment();
            order.forEach(function(o){part.appendChild(rows[o[1]]);});
            body.appendChild(part);
          });
        });
        })();
        """
}
